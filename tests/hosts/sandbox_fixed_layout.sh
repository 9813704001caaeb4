# case: its addresses are not randomized
# planted: yes
# program: parts/plant.c
if setarch -R true 2>/dev/null; then
    setarch -R "$1" || exit 9
else
    "$1" || exit 9
fi
echo ok
