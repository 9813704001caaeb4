# case: it is started where an empty file system hides proc
# planted: no
# program: parts/plant.c
if unshare -m true 2>/dev/null; then
    unshare -m sh -c 'mount --make-rprivate / && mount -t tmpfs -o ro none /proc && exec "$1"' sh "$1" || exit 9
else
    "$1" || exit 9
fi
echo ok
