# case: it may have four descriptors from its start on, one more than are open
# planted: run
# program: parts/plant.c
( ulimit -n 4; exec "$1" ) || exit 9
echo ok
