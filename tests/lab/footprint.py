# SPDX-License-Identifier: Apache-2.0
"""What a lab could leave on the machine, taken as sets to be compared.

Other programs start and end meanwhile, other labs too. So processes,
namespaces and cgroups count when they are of the given lab; what only a lab
would change on this machine counts whole.
"""

import glob
import hashlib
import os
import subprocess

SYSCTLS = ('vm/overcommit_memory', 'vm/panic_on_oom', 'kernel/panic',
           'kernel/panic_on_oops', 'kernel/keys/root_maxkeys',
           'kernel/keys/root_maxbytes', 'kernel/hostname',
           'net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding')
PLACES = ('/var/lib/kubelet', '/var/lib/cni', '/var/log/pods/*',
          '/var/log/containers/*', '/run/containerd/*', '/run/xtables.lock',
          '/etc/cni/*', '/opt/cni', '/usr/libexec/kubernetes')


def take(lab_dir):
    """Return all traces of the lab and all that it must not change."""
    return {
        'processes': processes(lab_dir),
        'mounts': mounts(),
        'network namespaces by name': listing('/run/netns/*'),
        'links': command('ip', '-o', 'link', 'show'),
        'addresses': command('ip', '-o', 'address', 'show'),
        'iptables rules': rules(),
        'cgroups': cgroups(lab_dir),
        'settings': settings(),
        'files': listing(lab_dir, lab_dir + '/**', *PLACES),
        'sockets': sockets(lab_dir),
    }


def cgroup_name(lab_dir):
    digest = hashlib.sha256(lab_dir.encode()).hexdigest()
    return 'portieris-lab-' + digest[:8]


def processes(lab_dir):
    """Processes that name the lab, or are in a pid namespace of its own."""
    found = set()
    roots = set()
    for proc in glob.glob('/proc/[0-9]*'):
        line = read(proc + '/cmdline').replace('\0', ' ')
        if lab_dir in line and int(proc[6:]) != os.getpid():
            found.add((proc, line))
            if ' init --dir ' in line:
                roots.add(namespace(proc))
    for proc in glob.glob('/proc/[0-9]*'):
        if namespace(proc) in roots - {None}:
            found.add((proc, read(proc + '/cmdline').replace('\0', ' ')))
    return found


def namespace(proc):
    try:
        return os.readlink(proc + '/ns/pid')
    except OSError:
        return None


def mounts():
    """Mount points and types: ids and peer groups may change."""
    found = set()
    for line in read('/proc/self/mountinfo').splitlines():
        fields = line.split()
        found.add((fields[4], fields[fields.index('-') + 1]))
    return found


def rules():
    """The rules without counters and comments, which hold the time."""
    return {(program, line)
            for program in ('iptables-save', 'ip6tables-save')
            for line in command(program)
            if not line.startswith('#') and not line.startswith(':')}


def cgroups(lab_dir):
    name = cgroup_name(lab_dir)
    return listing('/sys/fs/cgroup/%s' % name, '/sys/fs/cgroup/*/%s' % name)


def settings():
    return {(name, read('/proc/sys/' + name).strip()) for name in SYSCTLS}


def sockets(lab_dir):
    """Abstract and named Unix sockets of this lab."""
    lock = '@portieris-lab-' + cgroup_name(lab_dir)[-8:]
    return {line.split()[-1] for line in
            read('/proc/net/unix').splitlines()
            if lab_dir in line or lock in line}


def listing(*patterns):
    return {path for pattern in patterns
            for path in glob.glob(pattern, recursive=True)}


def command(*argv):
    return set(subprocess.run(argv, check=True, capture_output=True,
                              text=True).stdout.splitlines())


def read(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read()
    except OSError:
        return ''


def changes(before, after):
    """Return what differs, by kind, for a readable assertion."""
    return {kind: {'more': sorted(map(str, after[kind] - before[kind])),
                   'less': sorted(map(str, before[kind] - after[kind]))}
            for kind in before if before[kind] != after[kind]}
