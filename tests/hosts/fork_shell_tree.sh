# case: a tree of shells, with the planting program at its leaves
# planted: yes
# program: parts/plant.c
program=$1
[ "$(bash -c "(sh -c '$program; exit 3'); echo \$?; x=\$(echo sub | cat); echo \$x")" = "planted
3
sub" ] || exit 9
seq 5 | while read -r i; do (bash -c "exit $i"); [ $? = "$i" ] || exit 8; done
echo ok
