# case: its address space is limited to 16 MiB before it starts
# planted: no
# program: parts/plant.c
( ulimit -v 16384; exec "$1" ) || exit 9
echo ok
