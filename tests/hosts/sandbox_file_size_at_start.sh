# case: it may write no files from its start on, and SIGXFSZ would kill it
# planted: run
# program: parts/plant.c
( ulimit -f 0; exec "$1" ) || exit 9
echo ok
