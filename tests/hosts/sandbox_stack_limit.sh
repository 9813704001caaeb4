# case: its stack is limited to 128 KiB
# planted: yes
# program: parts/plant.c
( ulimit -s 128; exec "$1" ) || exit 9
echo ok
