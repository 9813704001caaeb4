#!/bin/bash
# Runs real programs natively, under bare LD_PRELOAD and under `memtrace run`, and compares stdout, stderr and exit status.
#
#   tests/programs.sh [-b DIRECTORY] [-k] [PROGRAM…]
#
#   -b  where libmemtrace.so and memtrace are (default: target/release)
#   -k  keep the temporary directory, with every output and every difference
#
# Prints one row a program; a program that is not installed is named. Exit 1: some program behaved differently.

set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${CARGO_TARGET_DIR:-$here/../target}/release
keep=0

# ---- workloads: each runs in a fresh directory, and starts what is to be traced with `t` ----

# Starts a program in the present mode.
t() {
    case $mode in
        native) env ${below:+LD_PRELOAD=$below} "$@" ;;
        bare) env LD_PRELOAD="$library${below:+ $below}" MEMTRACE_OUT="$reports/%e.%p.txt" "$@" ;;
        run) env ${below:+LD_PRELOAD=$below} "$memtrace" run -o "$reports/%e.%p.json" -- "$@" ;;
    esac
}

# As `t`, as an ordinary user: some servers refuse root.
t_ordinary() {
    if [ "$(id -u)" = 0 ]; then
        case $mode in
            native) runuser -u nobody -- "$@" ;;
            bare) runuser -u nobody -- env LD_PRELOAD="$library" MEMTRACE_OUT="$reports/%e.%p.txt" "$@" ;;
            run) runuser -u nobody -- "$memtrace" run -o "$reports/%e.%p.json" -- "$@" ;;
        esac
    else
        t "$@"
    fi
}

# Waits until a command succeeds.
until_true() {
    for _ in $(seq 100); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    return 1
}

shell_script='
words() { for w in "$@"; do echo "$w"; done; }
x=$(words one two three | sort -r | tr a-z A-Z)
echo "$x"
i=0; while [ $i -lt 300 ]; do i=$((i+1)); y="$y$i"; done; echo ${#y}
( echo in a subshell; exit 3 ); echo "status $?"
cat <<END | while read a b; do echo "$b $a"; done
first second
third fourth
END
sleep 0.05 & wait $!; echo "waited $?"
trap "echo leaving" EXIT
ls /nonexistent-$$ 2>/dev/null || echo missing
exec 5>&1; echo to five >&5; exec 5>&-
kill -0 $$ && echo alive
echo to stderr >&2
/bin/echo external | { read z; echo "got $z"; }
exit 7
'
w_bash() { t bash -c "$shell_script"'; true'; }
w_bash_arrays() { t bash -c 'declare -A m; for i in {1..500}; do m[$i]=$((i*i)); done; echo ${#m[@]} ${m[77]}; a=({1..2000}); echo ${a[@]: -3}; diff <(seq 5) <(seq 6); printf "%s\n" "${BASH_VERSION%%.*}"; f() { local d=$1; [ $d -gt 0 ] && f $((d-1)); echo -n .; }; f 200; echo; coproc cat; echo hi >&${COPROC[1]}; read l <&${COPROC[0]}; echo $l'; }
w_dash() { t dash -c "$shell_script"; }
w_zsh() { t zsh -f -c 'a=({1..300}); print ${(j:,:)a[1,9]}; print -l *(N) | wc -l; typeset -A m; m[x]=1; print ${(k)m}; zmodload zsh/datetime; print ${#$(seq 1 2000)}; (exit 4); print $?; x=$(print sub); print $x; setopt extendedglob; print ${${:-abc}//b/x}; exit 5'; }
w_git() {
    export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1 HOME=$PWD
    t git -c init.defaultBranch=main init repo && cd repo || return
    git config user.name n; git config user.email e@example.org; git config gc.autoDetach false
    for i in $(seq 30); do seq $i $((i*7)) >f$i; done
    t git add . && t git commit -m 'one: thirty files'
    for i in 1 2 3 4 5; do echo $i >>f1; t git commit -q -am "change $i"; done
    t git log --stat -p | md5sum
    t git log --graph --oneline
    t git diff HEAD~3
    t git gc --aggressive 2>&1
    t git fsck --full
    t git clone -q . ../copy && t git -C ../copy status
    t git blame f1 | tail -1
    t git checkout -q nothing; echo "status $?"
}
w_ssh() { t ssh -V; t ssh-keygen -q -t ed25519 -N '' -f key && t ssh-keygen -lf key.pub | cut -d' ' -f1,3-; t ssh -o BatchMode=yes -o ConnectTimeout=2 -p 1 127.0.0.1 true; }
w_sshd() {
    ssh-keygen -q -t ed25519 -N '' -f host
    printf 'HostKey %s/host\nPidFile none\nListenAddress 127.0.0.1:0\nUsePAM no\n' "$PWD" >config
    [ -d /run/sshd ] || [ "$(id -u)" != 0 ] || mkdir -p /run/sshd
    t /usr/sbin/sshd -t -f "$PWD/config"; echo "status $?"
    t /usr/sbin/sshd -T -f "$PWD/config" | sort | grep -v sshdsessionpath | md5sum
    ssh-keygen -q -t ed25519 -N '' -f user
    install -m 600 user.pub keys
    port=$((20000 + $$ % 20000))
    printf 'HostKey %s/host\nPidFile none\nListenAddress 127.0.0.1:%s\nUsePAM no\nStrictModes no\nAuthorizedKeysFile %s/keys\n' "$PWD" $port "$PWD" >config
    t /usr/sbin/sshd -D -e -f "$PWD/config" 2>log & server=$!
    until_true grep -q 'Server listening' log
    client="ssh -F none -i user -p $port -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -o LogLevel=ERROR $(id -un)@127.0.0.1"
    $client 'echo over ssh; exit 3'; echo "status $?"
    t $client 'echo client traced; seq 100000 | md5sum'; echo "status $?"
    pkill -TERM -P $server 2>/dev/null || kill $server
    wait $server
    grep -c Accepted log
}
w_curl() {
    seq 50000 >file; t curl -s "file://$PWD/file" | md5sum; t curl --version
    t curl -sS --connect-timeout 2 http://127.0.0.1:1/; echo "status $?"
    t curl -sS http://no.such.host.invalid/; echo "status $?"
    t curl -sS --connect-timeout 2 https://127.0.0.1:1/ -Z https://127.0.0.1:1/b; echo "status $?"
}
w_gdb() {
    t gdb -nx -batch -ex 'info functions main' -ex 'break main' -ex run -ex bt -ex 'finish' -ex 'print 6*7' -ex kill "$made/cxx" 2>&1 | grep -v -e 'libthread_db' -e 'warning: Error disabling' -e debuginfod
    t gdb -nx -batch -ex 'python print(sum(range(1000)))'
}
python_script='
import subprocess, multiprocessing, threading, ctypes, sqlite3, json, sys, os, tempfile
def square(n): return n * n
def worker(q):
    for i in range(200): q.append([i] * 50)
if __name__ == "__main__":
    print(subprocess.run(["sh", "-c", "echo sub; exit 3"], capture_output=True))
    print(subprocess.check_output(["seq", "3"], close_fds=True, start_new_session=True))
    for method in "fork", "spawn", "forkserver":
        with multiprocessing.get_context(method).Pool(2) as pool: print(method, pool.map(square, range(20)))
    p = multiprocessing.Process(target=print, args=("in a child",)); sys.stdout.flush(); p.start(); p.join(); print(p.exitcode)
    q = []; threads = [threading.Thread(target=worker, args=(q,)) for _ in range(8)]
    [x.start() for x in threads]; [x.join() for x in threads]; print(len(q))
    libc = ctypes.CDLL(None); libc.malloc.restype = ctypes.c_void_p; libc.free.argtypes = [ctypes.c_void_p]
    [libc.free(libc.malloc(n)) for n in range(1000)]
    call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda a, b: ctypes.cast(a, ctypes.POINTER(ctypes.c_int))[0] - ctypes.cast(b, ctypes.POINTER(ctypes.c_int))[0])
    array = (ctypes.c_int * 5)(5, 1, 4, 2, 3); libc.qsort(array, 5, 4, call); print(list(array))
    db = sqlite3.connect(":memory:"); db.execute("create table t(a, b)")
    db.executemany("insert into t values(?, ?)", ((i, "x" * (i % 90)) for i in range(5000)))
    print(db.execute("select count(*), sum(length(b)) from t").fetchone())
    pid = os.fork()
    if pid == 0:
        json.loads("[" + ",".join(["{\"k\": [1, 2, 3]}"] * 2000) + "]"); os._exit(9)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    print(os.spawnlp(os.P_WAIT, "true", "true"), os.posix_spawn("/bin/true", ["true"], os.environ) > 0)
    try: ctypes.string_at(0)
    except Exception as e: print(e)
    sys.exit(4)
'
w_python3() { printf '%s' "${python_script/try: ctypes.string_at(0)/try: raise OSError(\"no\")}" >script.py; t python3 script.py; }
w_python3_system() { printf '%s' "${python_script/try: ctypes.string_at(0)/try: raise OSError(\"no\")}" >script.py; t /usr/bin/python3 script.py; }
w_perl() { t perl -e 'my %h; $h{$_ % 97} .= "x$_" for 1..20000; print scalar(keys %h), " ", length($h{5}), "\n"; my @s = sort { $a <=> $b } map { $_ * 7919 % 10007 } 1..5000; print "@s[0..4]\n"; print `echo backticks`; my $p = fork; if (!$p) { my @x = (1) x 1000; exit 3 } waitpid $p, 0; print $? >> 8, "\n"; eval { die "caught\n" }; print $@; local $SIG{ALRM} = sub { print "alarm\n" }; alarm 1; select undef, undef, undef, 3; $_ = "a" x 10000; print s/a+?b//, "\n"; exec "sh", "-c", "echo exec; exit 6"'; }
w_ruby() { t ruby -e 'h = Hash.new { |a, k| a[k] = k.to_s * 3 }; 20000.times { |i| h[i % 1000] }; puts h.size; puts `echo backticks`; th = 4.times.map { |i| Thread.new { (1..20000).map(&:to_s).join.size } }; p th.map(&:value); pid = fork { exit 5 }; Process.wait pid; p $?.exitstatus; GC.start; GC.compact rescue p 0; f = Fiber.new { Fiber.yield 1; 2 }; p f.resume, f.resume; r = Regexp.new("(a+)+b"); p r.match("aaab")[0]; begin; raise "x"; rescue => e; p e; end; def deep(n) = n == 0 ? 0 : 1 + deep(n - 1); p deep(5000); begin; def inf = inf(); inf; rescue SystemStackError => e; p e.class; end; require "json"; p JSON.parse("[1]"); exit 4'; }
w_node() {
    cat >script.js <<'END'
const { execSync, spawn } = require('child_process'); const { Worker, isMainThread } = require('worker_threads'); const zlib = require('zlib'), crypto = require('crypto');
if (!isMainThread) { let a = []; for (let i = 0; i < 1e5; i++) a.push({ i }); require('worker_threads').parentPort.postMessage(a.length); return; }
console.log(execSync('echo sub').toString());
console.log(zlib.gunzipSync(zlib.gzipSync(Buffer.alloc(1e6, 'abc'))).length, crypto.createHash('sha256').update('x').digest('hex'));
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); } console.log(fib(25));
new Worker(__filename).on('message', m => { console.log('worker', m); const c = spawn('sh', ['-c', 'exit 3']); c.on('exit', s => { console.log('child', s); process.exit(6); }); });
END
    t node script.js
}
w_java() {
    t java -version
    t java -cp "$made" Hello; echo "status $?"
}
w_luajit() { t luajit -e 'local s = 0; for i = 1, 1e7 do s = s + i % 7 end; print(s); local t = {}; for i = 1, 1e5 do t[i] = {i, tostring(i)} end; print(#t); local c = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end); print(c(), c(), c()); print(pcall(error, "e")); local ffi = require("ffi"); ffi.cdef("void *malloc(size_t); void free(void *); int abs(int);"); for i = 1, 1e5 do ffi.C.free(ffi.C.malloc(i % 100)) end; print(ffi.C.abs(-3)); print(pcall(function() local function r() return 1 + r() end return r() end)); os.exit(5)'; }
w_lua() { t lua5.4 -e 'local t = {}; for i = 1, 1e5 do t[i] = {i, tostring(i)} end; print(#t, collectgarbage("count") > 0); local c = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end); print(c(), c(), c()); print(pcall(error, "e")); print(select("#", string.byte(string.rep("x", 1000), 1, -1))); local p = io.popen("echo popen"); print(p:read("a")); p:close(); os.exit(5, true)'; }
w_postgres() {
    programs=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
    [ "$(id -u)" != 0 ] || chown nobody . "$reports"
    t psql --version
    t_ordinary "$programs/initdb" -A trust -U test -N -D "$PWD/data" >initdb.out; echo "initdb $?"
    grep -c ok initdb.out
    t_ordinary "$programs/postgres" -D "$PWD/data" -k "$PWD" -c listen_addresses= -c fsync=off >server.out 2>server.err & server=$!
    until_true psql -h "$PWD" -U test -c 'select 1' postgres
    cat >queries.sql <<'END'
create table t as select i, md5(i::text) m from generate_series(1, 20000) i;
create index on t(m);
select count(*), min(m) from t where m like 'a%';
explain (costs off) select * from t where m = 'x';
do $$ begin raise notice 'from plpgsql'; exception when others then null; end $$;
select 1/0;
vacuum analyze t;
select pg_terminate_backend(pg_backend_pid());
END
    t psql -X -h "$PWD" -U test -f queries.sql postgres; echo "psql $?"
    psql -X -h "$PWD" -U test -c 'select count(*) from t' postgres
    pid=$(head -1 data/postmaster.pid)
    kill -INT "$pid"; wait $server; echo "postgres $?"
    grep -c 'shut down' server.err
}
w_redis() {
    t redis-server --port 0 --unixsocket "$PWD/socket" --save '' --daemonize no --dir "$PWD" >log 2>log.err & server=$!
    cli="redis-cli -s $PWD/socket"
    until_true $cli ping
    $cli set a 1; $cli eval 'local s = 0 for i = 1, 1000 do s = s + i end return s' 0
    redis-benchmark -s "$PWD/socket" -q -n 3000 -t set,get,lpush,hset,zadd >/dev/null; echo "benchmark $?"
    $cli debug populate 5000; $cli bgsave; sleep 0.5; $cli dbsize
    t $cli lrange nothing 0 -1; t $cli get a
    $cli shutdown nosave; wait $server; echo "server $?"
    cat log.err
    t redis-server --version | cut -d' ' -f1-3
}
w_nginx() {
    port=$((20000 + $$ % 20000)); mkdir -p logs html; seq 1000 >html/file; chmod -R a+rX . 
    cat >nginx.conf <<END
daemon off; master_process on; worker_processes 2; pid nginx.pid; error_log logs/error.log; user $(id -un);
events { worker_connections 64; }
http { access_log logs/access.log; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
server { listen unix:$PWD/socket; root html; gzip on; } }
END
    t nginx -p "$PWD/" -c nginx.conf -e logs/error.log -t; echo "status $?"
    t nginx -p "$PWD/" -c nginx.conf -e logs/error.log & server=$!
    until_true curl -sf --unix-socket socket http://x/file
    for _ in $(seq 20); do curl -s --compressed --unix-socket socket http://x/file | md5sum; done | sort -u
    curl -s -o /dev/null -w '%{http_code}\n' --unix-socket socket http://x/none
    kill -HUP "$(cat nginx.pid)"; sleep 0.5
    curl -s --unix-socket socket http://x/file | md5sum
    kill -QUIT "$(cat nginx.pid)"; wait $server; echo "server $?"
    grep -v notice logs/error.log | grep -v 'No such file'
}
w_sqlite3() { t sqlite3 db <<'END'
create table t(a integer primary key, b text); with recursive n(i) as (select 1 union all select i + 1 from n where i < 50000) insert into t select i, hex(i * 7919) from n;
create index k on t(b); select count(*), min(b), max(b) from t; select b, count(*) from t group by substr(b, 1, 1); pragma integrity_check; update t set b = b || 'x' where a % 3 = 0; delete from t where a % 5 = 0; vacuum; select sum(length(b)) from t; select * from nothing;
END
}
c_program='#include <stdio.h>
#include <stdlib.h>
static int f(int n) { return n ? n * f(n - 1) : 1; }
int main(void) { char *p = malloc(10); printf("%d\n", f(6)); free(p); return 3; }'
w_gcc() { echo "$c_program" >a.c; t gcc -O2 -Wall -o a a.c && ./a; echo "status $?"; t gcc -O2 -flto -g -o a a.c && ./a; echo 'int main( {' >b.c; t gcc -c b.c; echo "status $?"; t gcc -O2 -S -o - a.c | md5sum; }
cxx_program='#include <map>
#include <string>
#include <vector>
#include <regex>
#include <iostream>
#include <algorithm>
template<int N> struct F { static constexpr long v = F<N-1>::v + F<N-2>::v; }; template<> struct F<0> { static constexpr long v = 0; }; template<> struct F<1> { static constexpr long v = 1; };
int main() { std::map<std::string, std::vector<int>> m; for (int i = 0; i < 100; i++) m[std::to_string(i % 10)].push_back(i); std::regex r("a+b"); std::cout << m.size() << F<80>::v << std::regex_match("aab", r) << std::endl; }'
w_gxx() { echo "$cxx_program" >a.cpp; t g++ -std=c++17 -O1 -o a a.cpp && ./a; t g++ -std=c++17 -O0 -fsyntax-only -DX='{{' a.cpp; t g++ -std=c++17 -O1 -S -o - a.cpp | md5sum; }
w_clang() { echo "$cxx_program" >a.cpp; t clang++ -std=c++17 -O1 -o a a.cpp && ./a; t clang++ -std=c++17 -O1 -S -o - a.cpp | md5sum; echo "$c_program" >a.c; t clang -O2 -o a a.c && ./a; echo 'int main( {' >b.c; t clang -c b.c; echo "status $?"; }
w_cargo() {
    t cargo --version; t rustc --version
    echo 'use std::collections::HashMap; fn main() { let m: HashMap<u32, String> = (0..100).map(|i| (i, i.to_string())).collect(); println!("{}", m.len()); }' >a.rs
    t rustc -O a.rs && ./a
    echo 'fn main() { let x: u32 = "a"; }' >b.rs; t rustc b.rs; echo "status $?"
    t cargo new --quiet --vcs none hello && cd hello && t cargo build --offline --quiet && t target/debug/hello
}
w_vim() { seq 200 >file; t vim -u NONE -N -es -c '%s/1/one/g' -c 'sort!' -c 'call writefile([string(len(getline(1, "$"))), system("echo shell")], "out")' -c 'wq! changed' file; echo "status $?"; md5sum changed; cat out; t vim --version | head -1; }
w_tar() { mkdir d; for i in $(seq 50); do seq $i $((i*50)) >d/$i; done; for z in '' z J; do t tar -c${z}f a.tar --owner=0 --group=0 --mtime=@0 --sort=name d; t tar -t${z}f a.tar | md5sum; mkdir x; t tar -x${z}f a.tar -C x && diff -r d x/d && echo same; rm -r x; done; t tar -xf nothing.tar; echo "status $?"; }
w_find() { mkdir -p d/{a,b,c}/{1,2,3}; touch d/{a,b}/{1,2}/f{1..9}; t find d -type f -name 'f[1-5]' | sort; t find d -name f1 -exec echo {} \; | sort; t find d -name f2 -exec echo {} + | wc -w; t find d -printf '%d %f\n' | sort | md5sum; t find /nonexistent; echo "status $?"; t find d -type f -print0 | t xargs -0 -n 3 -P 2 echo | wc -l; }
w_man() { export MANPAGER=cat MANWIDTH=80; printf '.TH X 1\n.SH NAME\nx \\- a page\n.SH TEXT\n%s\n' "$(seq 300)" >x.1; t man -l ./x.1 | md5sum; t man no-such-page-here; echo "status $?"; t man -w ls; }
w_make() { printf 'all: a b c d\n%%: %%.x\n\t@sh -c "cat $< > $@; seq 1000 | md5sum"\n.PRECIOUS: %%\nfail:\n\t@exit 3\nx := $(shell seq 1000)\n' >Makefile; touch {a,b,c,d}.x; t make -j2; echo "status $?"; t make fail; echo "status $?"; }
w_xz() { seq 100000 >f; t xz -k -T2 f && t xz -dc f.xz | md5sum; t xz -l f.xz | tail -1; t gzip -kf f && t gzip -dc f.gz | md5sum; t bzip2 -kf f && t bzip2 -dc f.bz2 | md5sum; echo x >bad.xz; t xz -d bad.xz; echo "status $?"; }
w_jq() { seq 5000 | t jq -s 'map({a: ., b: (. | tostring)}) | group_by(.a % 7) | map(length)'; echo '{' | t jq .; echo "status $?"; t jq -n '[range(20000)] | map(. * 2) | add, (["a", "b"] | join("-")), ("x" | test("[a-z]")), (try error("e") catch .)'; }
w_gawk() { seq 20000 | t gawk '{ a[$1 % 97] = a[$1 % 97] $1; s += $1 } END { n = asorti(a, b); print n, s, length(a[5]); print gensub(/a(b)/, "\\1", "g", "xab"); "echo cmd" | getline x; print x; printf "%s\n", toupper(substr("hello", 2)); system("echo system"); exit 4 }'; echo "status $?"; t gawk --version | head -1; }
w_coreutils() { seq 30000 >f; t sort -R --random-source=f f | t sort -n --parallel=2 -S 100K | md5sum; t grep -cE '(1|2)+3$' f; t grep -P '^(\d)\1+$' f | wc -l; t ls -l f | cut -c1-10; t ls /nonexistent; echo "status $?"; t head -1000 f | t tac | t rev | t nl | t tail -2; t sed -n 's/\(.\)\(.\)$/\2\1/p' f | md5sum; t du -b f; t id -u; t date -u -d @0; t stat -c %s f; t true; t false; echo "status $?"; t cmp f f; t expr 6 \* 7; t factor 123456789; t timeout 0.2 sleep 5; echo "status $?"; t nohup true; t env -i /bin/echo bare; t yes | head -3; }
w_strace() { t strace -f -e trace=execve -o log sh -c 'true; /bin/true | cat'; echo "status $?"; grep -c 'execve("/bin/true"' log; t strace -c -o log2 ls / >/dev/null; echo "status $?"; }
w_valgrind() { t valgrind --version; t valgrind -q --leak-check=no "$made/cxx" 2>&1 | sed 's/==[0-9]*==/==/'; t valgrind -q --tool=callgrind --callgrind-out-file=/dev/null "$made/c" 2>&1 | sed 's/==[0-9]*==/==/'; }
# Set-id programs: the loader drops the library, `memtrace run` refuses by name.
w_setid() {
    [ $mode = run ] || { t_ordinary "$(command -v su)" --help | head -1; return; }
    { t_ordinary "$(command -v su)" --help; echo "status $?"; } 2>&1 | grep -q 'set-id\|setuid\|set-user' && su --help | head -1
}
w_jemalloc() { below=$(ls /usr/lib/*/libjemalloc.so.2 | head -1); t "$made/cxx"; echo "status $?"; t /usr/bin/python3 -c 'print(len([str(i) for i in range(10000)]))'; }
w_tcmalloc() { below=$(ls /usr/lib/*/libtcmalloc_minimal.so.4 | head -1); t "$made/cxx"; echo "status $?"; t /usr/bin/python3 -c 'print(len([str(i) for i in range(10000)]))'; }
w_mimalloc() { below=$(ls /usr/lib/*/libmimalloc.so.2* | head -1); t "$made/cxx"; echo "status $?"; t /usr/bin/python3 -c 'print(len([str(i) for i in range(10000)]))'; }
w_cxx() { t "$made/cxx"; echo "status $?"; }

# Lines that differ from one native run to the next.
normal() {
    sed -E -e "s/\[[0-9]+\]/[PID]/g; s/[*]{2}[0-9]+[*]{2}/PID/" -e "s/[Pp]rocess [0-9]+/process PID/g" -e "s/[0-9.]+ (seconds|ms)/TIME/g" \
        -e "/programs.sh: line /s/([A-Z][a-z]+( fault)?|Aborted) .*/\1/; s/line [0-9]+: +[0-9]+/line N: PID/" \
        -e "s/0x[0-9a-f]{6,}/ADDRESS/g" -e "s/:2[0-9]{4}\b/:PORT/g" -e "s/cc[A-Za-z0-9]{6}\b/ccNAME/g" -e "s/(PID|pid)[ :]+[0-9]+/PID/g"
}

# name | what must be installed | seconds
cases() {
    cat <<'END'
bash bash
bash_arrays bash
dash dash
zsh zsh
git git
ssh ssh
sshd /usr/sbin/sshd
curl curl
gdb gdb
python3 python3
python3_system /usr/bin/python3
perl perl
ruby ruby
node node
java javac
luajit luajit
lua lua5.4
postgres psql
redis redis-server
nginx nginx
sqlite3 sqlite3
gcc gcc
gxx g++
clang clang++
cargo cargo
vim vim
tar tar
find find
man man
make make
xz xz
jq jq
gawk gawk
coreutils sort
strace strace
valgrind valgrind
setid su
cxx g++
jemalloc /usr/lib/x86_64-linux-gnu/libjemalloc.so.2
tcmalloc /usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4
mimalloc /usr/lib/x86_64-linux-gnu/libmimalloc.so.2
END
}

if [ "${1-}" = --work ]; then
    unset CARGO_TARGET_DIR
    name=$2 mode=$3 library=$4 memtrace=$5 reports=$6 made=$7 below=''
    export LC_ALL=C.UTF-8 TZ=UTC
    "w_$name"
    exit
fi

while getopts b:k option; do
    case $option in
        b) build=$OPTARG ;;
        k) keep=1 ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))

top=$(mktemp -d)
[ $keep = 1 ] || trap 'rm -rf "$top"' EXIT
chmod 755 "$top"
mkdir "$top/bin" "$top/made"
cp "$build/libmemtrace.so" "$build/memtrace" "$top/bin" || exit 2
library=$top/bin/libmemtrace.so memtrace=$top/bin/memtrace

cat >"$top/made/cxx.cpp" <<'END'
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <thread>
#include <vector>
struct alignas(128) Wide { char c[128]; };
struct Thrower { Thrower() { throw 1; } };
int main() {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++) threads.emplace_back([] { for (int i = 0; i < 20000; i++) { std::string s(i % 200, 'x'); int *p = new int[i % 50]; delete[] p; } });
    for (auto &t : threads) t.join();
    Wide *w = new Wide; printf("%d\n", int(reinterpret_cast<size_t>(w) % 128)); delete w;
    Wide *a = new Wide[3]; delete[] a;
    printf("%p\n", (void *)new (std::nothrow) char[size_t(-1) >> 2]);
    try { volatile size_t huge = size_t(-1) >> 2; char *p = new char[huge]; printf("%p\n", (void *)p); } catch (std::bad_alloc &e) { puts(e.what()); }
    try { new Thrower; } catch (int i) { printf("thrown %d\n", i); }
    void *p = nullptr; if (posix_memalign(&p, 4096, 100)) return 1; free(p);
    p = aligned_alloc(64, 128); p = realloc(p, 100000); p = reallocarray(p, 3, 7); free(p);
    return 5;
}
END
echo 'public class Hello { public static void main(String[] a) throws Exception { StringBuilder s = new StringBuilder(); for (int i = 0; i < 200000; i++) s.append(i % 10); System.out.println(s.length()); Thread[] t = new Thread[8]; for (int i = 0; i < 8; i++) { t[i] = new Thread(() -> { byte[][] b = new byte[100][]; for (int j = 0; j < 1000; j++) b[j % 100] = new byte[10000]; }); t[i].start(); } for (Thread x : t) x.join(); Process p = new ProcessBuilder("sh", "-c", "echo sub; exit 3").inheritIO().start(); System.out.println(p.waitFor()); try { Object o = null; o.hashCode(); } catch (NullPointerException e) { System.out.println("npe"); } System.exit(4); } }' >"$top/made/Hello.java"
printf '%s' "$c_program" >"$top/made/c.c"
(cd "$top/made" && g++ -O1 -g -pthread -o cxx cxx.cpp && gcc -g -o c c.c && if command -v javac >/dev/null; then javac Hello.java; fi) || exit 2

# Runs one workload in one mode; leaves out, err and status in $top/NAME.MODE.
work() {
    local name=$1 mode=$2 directory=$top/$1.$2
    rm -rf "$top/work"
    mkdir -p "$directory/reports" "$top/work"
    chmod 777 "$directory/reports" "$top/work"
    chmod 755 "$directory"
    (cd "$top/work" && exec timeout -k 5 240 bash "$here/programs.sh" --work "$name" "${mode%2}" "$library" "$memtrace" "$directory/reports" "$top/made") \
        >"$directory/out.raw" 2>"$directory/err.raw" </dev/null
    echo $? >"$directory/status"
    # `memtrace run` speaks on the stderr that some workloads join with their output.
    for stream in out err; do grep -av '^memtrace: ' "$directory/$stream.raw" | normal >"$directory/$stream"; done
}

# Says in which ways a mode differs from the native run.
difference() {
    local name=$1 mode=$2 said='' what
    for what in status out err; do
        if ! cmp -s "$top/$name.native/$what" "$top/$name.$mode/$what"; then
            said="$said${said:+ }$what"
            { echo "== $name, $mode: $what"; diff "$top/$name.native/$what" "$top/$name.$mode/$what"; } | head -30 >>"$top/differences"
        fi
    done
    echo "${said:-same}"
}

: >"$top/differences"
failed=0
printf '%-15s | %-9s | %-14s | %-14s | %11s | %11s | %s\n' program native LD_PRELOAD run allocations 'live blocks' losses
while read -r name needs; do
    if [ $# -gt 0 ]; then
        case " $* " in *" $name "*) ;; *) continue ;; esac
    fi
    if ! [ -e "$needs" ] && ! command -v "$needs" >/dev/null; then
        printf '%-15s | %s\n' "$name" 'not installed'
        continue
    fi
    for mode in native native2 bare run; do work "$name" $mode; done
    native="exit $(cat "$top/$name.native/status")"
    # A program that natively differs from itself proves nothing where it does so.
    [ "$(difference "$name" native2)" = same ] || native="$native, unstable"
    bare=$(difference "$name" bare) run=$(difference "$name" run)
    [ "$bare $run" = 'same same' ] || failed=1
    numbers=$(find "$top/$name.run/reports" -name '*.json' -exec cat {} + | jq -rs '[.[].processes[]] | [([.[].summary.allocations] | add), ([.[].summary.live_blocks] | add), ([.[].losses | to_entries[] | select(.key != "inherited") | "\(.key) \(.value)"] | group_by(split(" ")[0]) | map("\(.[0] | split(" ")[0]) \(map(split(" ")[1] | tonumber) | add)") | join(", ")), length] | "\(.[0])|\(.[1])|\(.[2])|\(.[3])"' 2>&1)
    IFS='|' read -r allocations live losses processes <<<"$numbers"
    printf '%-15s | %-9s | %-14s | %-14s | %11s | %11s | %s (%s processes)\n' "$name" "$native" "$bare" "$run" "$allocations" "$live" "${losses:-none}" "$processes"
done < <(cases)
cat "$top/differences"
[ $keep = 0 ] || echo "kept: $top"
exit $failed
