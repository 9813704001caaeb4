# case: it has a file of data where stderr was
# planted: yes
# program: parts/data.c
file=$(mktemp) || exit 9
"$1" "$file" || exit 9
[ "$(cat "$file")" = data ] || { cat "$file"; exit 8; }
rm "$file"
echo ok
