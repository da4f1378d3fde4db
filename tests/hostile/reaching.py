"""Programs that reach for what is not theirs: the box's keeper, the kernel, a network, a verdict."""

from __future__ import annotations

from tests.hostile.cases import (
    CRASH,
    ERROR,
    FAIL,
    OOM,
    PASS,
    RED,
    TIMEOUT,
    Hostile,
    ends,
    tries,
)

KEEPERS = (
    tries("kills the first process", "refused(os.kill, 1, 9)\n"),
    tries("stops the first process", "refused(os.kill, 1, signal.SIGSTOP)\n"),
    tries("kills its parent's parent", "refused(os.kill, 1, 15)\n"),
    ends(
        "kills everybody it may",
        "import os\nfor pid in os.listdir('/proc'):\n"
        "    if pid.isdigit() and int(pid) not in (os.getpid(),):\n"
        "        try: os.kill(int(pid), 9)\n        except OSError: pass\n",
        PASS,
        alone=True,
        timeout_s=10.0,
    ),
    ends(
        "kills all, itself not",
        "import os\ntry: os.kill(-1, 9)\nexcept OSError: pass\n",
        *(PASS, CRASH),
        alone=True,
    ),
    tries("traces the first process", "assert libc.ptrace(16, 1, 0, 0) == -1\n"),
    tries("lets itself be traced", "assert libc.ptrace(0, 0, 0, 0) == -1\n"),
    tries("reads the memory of the first process", "refused(os.open, '/proc/1/mem', os.O_RDWR)\n"),
    tries(
        "reads the environment of the first process",
        "refused(os.open, '/proc/1/environ', os.O_RDONLY)\n",
    ),
    tries("reads the descriptors of the first process", "refused(os.listdir, '/proc/1/fd')\n"),
    tries(
        "reads another process's memory by a call",
        "buffer = ctypes.create_string_buffer(64)\n"
        "iov = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 64)\n"
        "assert libc.process_vm_readv(1, ctypes.byref(iov), 1, ctypes.byref(iov), 1, 0) == -1\n",
    ),
    tries(
        "finds secrets in its environment",
        "text = repr(os.environ).lower()\n"
        "assert not any(word in text for word in ('api_key', 'token', 'secret', 'password', 'elagent')), text\n",
    ),
    ends(
        "claims that the sandbox failed",
        "import os, struct, sys\n"
        "for text in (b'{\"fault\": \"RuntimeError: no room\"}', b'settled'):\n"
        "    for fd in range(3, 256):\n"
        "        try: os.write(fd, struct.pack('>I', len(text)) + text)\n"
        "        except OSError: pass\n"
        "sys.exit(3)\n",
        FAIL,
    ),
    Hostile(
        name="writes to descriptors that it was not given",
        code="import os\nfor fd in range(3, 256):\n"
        '    try: os.write(fd, b\'{"status": "pass"}\\n\')\n    except OSError: pass\n',
        warm=(PASS, FAIL),  # it can spoil the message that it reached its own end, no other
        once=(PASS,),
        timeout_s=10.0,
    ),
    tries("reads input that nobody sent", "assert sys.stdin.read() == ''\n"),
    tries(
        "looks for the host's folders",
        "assert not any(map(os.path.exists, ('/var/run/docker.sock', '/run/docker.sock', '/host', '/mnt/host')))\n",
    ),
    tries(
        "looks for somebody's home",
        "assert not os.path.exists('/root/.ssh') and not os.path.exists('/home/' + 'user')\n",
    ),
)

KERNEL = (
    tries(
        "new namespaces", "assert libc.unshare(0x10000000) == -1 and libc.unshare(0x20000) == -1\n"
    ),
    tries("joins a namespace", "assert libc.setns(0, 0) == -1\n"),
    tries("mounts", "assert libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == -1\n"),
    tries("unmounts", "assert libc.umount2(b'/proc', 2) == -1\n"),
    tries(
        "another root", "refused(os.chroot, '/tmp')\nassert libc.syscall(155, b'/', b'/') == -1\n"
    ),
    tries("a device", "refused(os.mknod, '/tmp/null', 0o20666, os.makedev(1, 3))\n"),
    tries("a block device", "refused(os.mknod, '/tmp/disk', 0o60666, os.makedev(8, 0))\n"),
    tries(
        "becomes root",
        "refused(os.setuid, 0)\nrefused(os.setgid, 0)\nrefused(os.setresuid, 0, 0, 0)\n",
    ),
    tries("becomes somebody else", "refused(os.setuid, 65531)\nrefused(os.setgroups, [0])\n"),
    tries(
        "gives files away", "open('f', 'w').close()\nrefused(os.chown, 'f', 0, 0)\nos.unlink('f')\n"
    ),
    tries(
        "a set-uid program",
        "import shutil\nshutil.copy('/bin/cat', 'cat')\ntry: os.chmod('cat', 0o6755)\nexcept OSError: pass\n"
        "assert open('/proc/self/status').read().split('NoNewPrivs:')[1].split()[0] == '1'\nos.unlink('cat')\n",
    ),
    tries(
        "has no capability",
        "status = open('/proc/self/status').read()\n"
        "assert all(status.split(n)[1].split()[0] == '0' * 16 for n in ('CapEff:', 'CapPrm:', 'CapInh:', 'CapAmb:'))\n",
    ),
    tries("sets the clock", "refused(time.clock_settime, time.CLOCK_REALTIME, 0)\n"),
    tries("sets the name of the machine", "refused(socket.sethostname, 'x')\n"),
    tries("loads a module", "assert libc.syscall(175, 0, 0, b'') == -1\n"),
    tries("reboots", "assert libc.reboot(0x1234567) == -1\n"),
    tries("keys of the kernel", "assert libc.syscall(248, b'user', b'a', b'b', 1, -3) == -1\n"),
    tries("io_uring", "assert libc.syscall(425, 1, 0) == -1\n"),
    tries("bpf", "assert libc.syscall(321, 0, 0, 0) == -1\n"),
    tries("performance counters", "assert libc.syscall(298, 0, 0, -1, -1, 0) == -1\n"),
    tries("user faults", "assert libc.syscall(323, 0) == -1\n"),
    tries("shared memory of System V", "assert libc.shmget(7, 4096, 0o1666) == -1\n"),
    tries("semaphores of System V", "assert libc.semget(7, 1, 0o1666) == -1\n"),
    tries("message queues of System V", "assert libc.msgget(7, 0o1666) == -1\n"),
    tries("opens by handle", "assert libc.syscall(304, -1, 0, 0) == -1\n"),
    tries("swaps", "assert libc.swapon(b'/tmp/x', 0) == -1\n"),
    tries(
        "settings of the kernel",
        "for name in ('/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/sys/kernel/uevent_helper',"
        " '/proc/sys/kernel/modprobe'):\n    refused(os.open, name, os.O_WRONLY)\n",
    ),
    tries(
        "the control group's agent",
        "for at, folders, files in os.walk('/sys/fs/cgroup'):\n"
        "    for name in files:\n"
        "        if name in ('release_agent', 'cgroup.procs', 'memory.max', 'memory.limit_in_bytes', 'pids.max'):\n"
        "            refused(os.open, os.path.join(at, name), os.O_WRONLY)\n",
    ),
    tries(
        "writes to the system",
        "for place in ('/', '/etc', '/usr/bin', '/var', '/el', '/proc', '/sys', '/root'):\n"
        "    refused(os.open, place + '/elagent-x', os.O_CREAT | os.O_WRONLY)\n",
    ),
    tries("changes who the users are", "refused(os.open, '/etc/passwd', os.O_WRONLY)\n"),
    tries("reads the shadow file", "refused(os.open, '/etc/shadow', os.O_RDONLY)\n"),
    tries(
        "raw memory of the machine",
        "refused(os.open, '/dev/mem', os.O_RDONLY)\nrefused(os.open, '/dev/sda', os.O_RDONLY)\n",
    ),
    tries("the kernel's log", "assert libc.klogctl(3, ctypes.create_string_buffer(9), 9) == -1\n"),
    tries("changes its personality", "assert libc.personality(0x0040000) in (-1, 0)\n"),
)

NETWORK = (
    tries(
        "the internet",
        "for host in ('1.1.1.1', '8.8.8.8', '93.184.216.34'):\n"
        "    refused(lambda: socket.create_connection((host, 80), 2))\n",
    ),
    tries(
        "the bridge of the host",
        "refused(lambda: socket.create_connection(('172.17.0.1', 22), 2))\n",
    ),
    tries(
        "the metadata service",
        "refused(lambda: socket.create_connection(('169.254.169.254', 80), 2))\n",
    ),
    tries("names", "refused(lambda: socket.getaddrinfo('example.com', 80))\n"),
    tries(
        "the internet of version 6",
        "refused(lambda: socket.create_connection(('2606:4700:4700::1111', 80), 2))\n",
    ),
    tries(
        "datagrams",
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nrefused(lambda: s.sendto(b'x', ('8.8.8.8', 53)))\n",
    ),
    tries(
        "raw packets",
        "refused(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))\nrefused(lambda: socket.socket(17, socket.SOCK_RAW))\n",
    ),
    tries("the hypervisor", "refused(lambda: socket.socket(40, socket.SOCK_STREAM))\n"),
    tries(
        "the kernel's cryptography", "refused(lambda: socket.socket(38, socket.SOCK_SEQPACKET))\n"
    ),
    tries("bluetooth", "refused(lambda: socket.socket(31, socket.SOCK_RAW))\n"),
    tries(
        "other machines' interfaces",
        "assert {name for _, name in socket.if_nameindex()} <= {'lo', 'tunl0', 'sit0', 'ip6tnl0'}\n",
    ),
    ends(
        "an abstract socket left behind",
        "import os, socket, time\ns = socket.socket(socket.AF_UNIX)\ns.bind('\\0elagent-hostile')\ns.listen()\n"
        "if os.fork() == 0:\n    os.setsid(); time.sleep(300)\n",
        PASS,
        timeout_s=10.0,
    ),
    ends(
        "a server left behind",
        "import os, socket, time\ns = socket.create_server(('127.0.0.1', 8099))\n"
        "if os.fork() == 0:\n    os.setsid(); time.sleep(300)\n",
        PASS,
        timeout_s=10.0,
    ),
    ends(
        "an installation from the index",
        "import subprocess, sys\ndone = subprocess.run([sys.executable, '-m', 'pip', 'install', '-q', '--retries', '0',"
        " '--timeout', '1', 'six'], capture_output=True)\nassert done.returncode != 0\n",
        PASS,
        timeout_s=20.0,
    ),
)

ENDINGS = (
    Hostile(
        name="sys.exit(0) before the end",
        code="import sys\nsys.exit(0)\nassert False\n",
        warm=(FAIL,),
        once=(PASS,),
    ),
    Hostile(
        name="os._exit(0) before the end",
        code="import os\nos._exit(0)\n",
        warm=(FAIL,),
        once=(PASS,),
    ),
    Hostile(
        name="leaves from an exit handler",
        code="import atexit, os\natexit.register(os._exit, 0)\nassert False\n",
        warm=RED,
        once=(PASS,),
    ),
    Hostile(
        name="a thread leaves in between",
        code="import os, threading, time\nthreading.Thread(target=os._exit, args=(0,)).start()\ntime.sleep(1)\nassert False\n",
        warm=(FAIL,),
        once=(PASS,),
        timeout_s=9.0,
    ),
    ends("fails", "assert 1 == 2\n", FAIL),
    ends("raises", "{}['x']\n", *RED),
    ends("is no Python", "def broken(:\n", *RED),
    ends("source with a NUL", "x = 1\n\0\n", *RED),
    ends("exit code 3", "import sys\nsys.exit(3)\n", FAIL),
    ends("exit code 256", "import os\nos._exit(255)\n", FAIL),
    ends("a segmentation fault", "import ctypes\nctypes.string_at(0)\n", CRASH),
    ends("an abort", "import os\nos.abort()\n", CRASH),
    ends("a bus error of its own", "import os\nos.kill(os.getpid(), 7)\n", CRASH),
    ends("an illegal instruction", "import os\nos.kill(os.getpid(), 4)\n", CRASH),
    ends("recursion without end", "def f(): f()\nf()\n", *RED, timeout_s=9.0),
    ends(
        "recursion without a limit",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return f(n + 1) + f(n)\nf(0)\n",
        *(*RED, CRASH, TIMEOUT, OOM),
        alone=True,
        timeout_s=5.0,
    ),
    ends(
        "a pattern that backtracks for ever",
        "import re\nre.match('(a+)+$', 'a' * 40 + 'b')\n",
        TIMEOUT,
        alone=True,
    ),
    ends("a power that takes for ever", "x = 9 ** (9 ** 9)\n", *(TIMEOUT, ERROR, OOM), alone=True),
    ends(
        "the interpreter is undone",
        "import sys\nsys.modules.clear()\nimport os\n",
        *(PASS, *RED, CRASH),
    ),
    ends("builtins are gone", "import builtins\nvars(builtins).clear()\n", *(PASS, *RED, CRASH)),
    ends("print is replaced", "import builtins\nbuiltins.print = exit\nprint(0)\n", *(PASS, *RED)),
    ends(
        "equal to everything",
        "class Same:\n    def __eq__(self, other): return True\nassert Same() == 1 and Same() == 2\n",
        PASS,
    ),
    ends(
        "C that eats the compiler's memory",
        "import shutil, subprocess\n"
        "if shutil.which('gcc'):\n    open('a.c', 'w').write('#include \"/dev/zero\"\\n')\n"
        "    subprocess.run(['gcc', '-c', 'a.c'], timeout=60)\n"
        "else:\n    raise AssertionError('no compiler here')\n",
        *(PASS, FAIL, ERROR, TIMEOUT, OOM),
        alone=True,
        timeout_s=2.0,
    ),
    ends(
        "a pickle that runs",
        "import pickle\nclass X:\n    def __reduce__(self): return (exit, (5,))\npickle.loads(pickle.dumps(X()))\n",
        FAIL,
    ),
    ends(
        "depends on the order of a set",
        "assert list({'a', 'b'}) in (['a', 'b'], ['b', 'a'])\n",
        PASS,
    ),
    ends(
        "the clock is read",
        "import time\nassert time.time() > 1e9 and time.localtime().tm_year > 2000\n",
        PASS,
    ),
)
