# case: its environment has a megabyte, strings without `=`, empty ones and the same name twice
# planted: yes
# program: parts/environment.c
"$1" || exit 9
echo ok
