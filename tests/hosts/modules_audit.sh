# case: a library of LD_AUDIT is loaded, with a C library of its own
# planted: yes
# program: parts/plant.c
# library: audit.so parts/audit.c
LD_AUDIT=$(dirname "$1")/audit.so "$1" || exit 9
echo ok
