# case: its address space is limited to 256 MiB before it starts
# planted: yes
# program: parts/plant.c
( ulimit -v 262144; exec "$1" ) || exit 9
echo ok
