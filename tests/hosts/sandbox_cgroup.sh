# case: a memory cgroup allows it 48 MiB, of which it uses 32; without one that can be made it has all
# planted: yes
# program: parts/touch.c
root=/sys/fs/cgroup
[ -e $root/cgroup.controllers ] || root=/sys/fs/cgroup/memory
group=$root/memtrace-host-$$
if mkdir "$group" 2>/dev/null; then
    trap 'for _ in 1 2 3 4 5 6 7 8 9 10; do rmdir "$group" 2>/dev/null && break; sleep 0.1; done' EXIT
    limit=memory.max
    [ -e "$group/$limit" ] || limit=memory.limit_in_bytes
    { echo 50331648 >"$group/$limit"; } 2>/dev/null
fi
( { [ -d "$group" ] && echo $BASHPID >"$group/cgroup.procs"; } 2>/dev/null; exec "$1" ) || exit 9
echo ok
