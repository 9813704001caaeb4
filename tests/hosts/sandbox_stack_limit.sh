# case: its stack is limited to 128 KiB
# planted: run
# program: parts/plant.c
( ulimit -s 128; exec "$1" ) || exit 9
echo ok
