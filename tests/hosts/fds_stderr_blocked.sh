# case: its stderr is a pipe that is full, and that nobody reads
# planted: yes
# program: parts/blocked.c
# env: MEMTRACE_DEADLINE=1
"$1" || exit 9
echo ok
