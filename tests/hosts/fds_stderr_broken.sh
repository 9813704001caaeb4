# case: its stderr is a pipe whose reader is gone
# planted: yes
# program: parts/late.c
{ "$1"; echo $? >&3; } 3>&1 2>&1 >/dev/null | true
echo ok
