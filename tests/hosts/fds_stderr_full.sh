# case: its stderr is a full device
# planted: yes
# program: parts/plant.c
[ "$("$1" 2>/dev/full)" = planted ] || exit 9
echo ok
