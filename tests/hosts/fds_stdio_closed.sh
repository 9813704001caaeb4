# case: it is started without stdin, stdout and stderr
# planted: yes
# program: parts/files.c
"$1" <&- >&- 2>&- || exit 9
echo ok
