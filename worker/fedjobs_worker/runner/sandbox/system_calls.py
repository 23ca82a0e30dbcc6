"""The system calls that the filters of `seccomp.py` refuse, and their numbers."""

from __future__ import annotations

from collections.abc import Mapping

_NETWORK = ("socket", "socketpair", "connect", "bind", "listen")
_PROGRAMS = ("execve", "execveat", "memfd_secret")
_OTHER_PROCESSES = (
    "kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open", "pidfd_send_signal", "pidfd_getfd",
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease", "kcmp", "migrate_pages",
    "move_pages", "setpriority", "ioprio_set",
)  # fmt: skip
_OBJECTS_OF_THE_MACHINE = (
    "shmget", "shmat", "shmctl", "semget", "semop", "semtimedop", "semctl", "msgget", "msgsnd", "msgrcv", "msgctl",
    "mq_open", "mq_unlink", "add_key", "request_key", "keyctl",
)  # fmt: skip
_ATTRIBUTES_OF_FILES = (  # Landlock does not restrict them
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "setxattr", "lsetxattr",
    "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr", "removexattrat", "utime", "utimes",
    "futimesat", "utimensat",
)  # fmt: skip
_MOUNTS_AND_NAMESPACES = (
    "mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "open_tree", "move_mount", "fsopen", "fsconfig",
    "fsmount", "fspick", "mount_setattr", "open_by_handle_at", "name_to_handle_at", "fanotify_init",
)  # fmt: skip
_THE_KERNEL = (
    "io_uring_setup", "io_uring_enter", "io_uring_register",  # they can do what other calls in this list do
    "bpf", "perf_event_open", "userfaultfd", "kexec_load", "init_module", "finit_module",
)  # fmt: skip

REFUSED = (
    *_NETWORK, *_PROGRAMS, *_OTHER_PROCESSES, *_OBJECTS_OF_THE_MACHINE, *_ATTRIBUTES_OF_FILES, *_MOUNTS_AND_NAMESPACES,
    *_THE_KERNEL,
)  # fmt: skip
"""Refused to hosts and runners. Not every architecture has all of them."""
REFUSED_TO_RUNNERS = ("accept", "accept4", "fork", "vfork", "memfd_create")
"""A memfd does not count for the limit of memory."""

AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_EVERYWHERE = {  # calls that are newer than 2019 have the same number everywhere
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_open": 434, "clone3": 435,
    "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442, "landlock_create_ruleset": 444,
    "landlock_add_rule": 445, "landlock_restrict_self": 446, "memfd_secret": 447, "process_mrelease": 448,
    "fchmodat2": 452, "setxattrat": 463, "removexattrat": 466,
}  # fmt: skip

NUMBERS: Mapping[str, Mapping[str, int]] = {
    "x86_64": _EVERYWHERE | {
        "seccomp": 317, "memfd_create": 319, "clone": 56, "prlimit64": 302, "tgkill": 234, "fork": 57, "vfork": 58,
        "socket": 41, "socketpair": 53, "connect": 42, "bind": 49, "listen": 50, "accept": 43, "accept4": 288,
        "execve": 59, "execveat": 322, "kill": 62, "tkill": 200, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297,
        "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "migrate_pages": 256,
        "move_pages": 279, "setpriority": 141, "ioprio_set": 251,
        "shmget": 29, "shmat": 30, "shmctl": 31, "semget": 64, "semop": 65, "semctl": 66, "semtimedop": 220,
        "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "mq_open": 240, "mq_unlink": 241,
        "add_key": 248, "request_key": 249, "keyctl": 250,
        "chmod": 90, "fchmod": 91, "fchmodat": 268, "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260,
        "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198,
        "fremovexattr": 199, "utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280,
        "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308,
        "open_by_handle_at": 304, "name_to_handle_at": 303, "fanotify_init": 300,
        "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "kexec_load": 246, "init_module": 175,
        "finit_module": 313,
    },
    "aarch64": _EVERYWHERE | {
        "seccomp": 277, "memfd_create": 279, "clone": 220, "prlimit64": 261, "tgkill": 131,
        "socket": 198, "socketpair": 199, "connect": 203, "bind": 200, "listen": 201, "accept": 202, "accept4": 242,
        "execve": 221, "execveat": 281, "kill": 129, "tkill": 130, "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240,
        "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272, "migrate_pages": 238,
        "move_pages": 239, "setpriority": 140, "ioprio_set": 30,
        "shmget": 194, "shmat": 196, "shmctl": 195, "semget": 190, "semop": 193, "semctl": 191, "semtimedop": 192,
        "msgget": 186, "msgsnd": 189, "msgrcv": 188, "msgctl": 187, "mq_open": 180, "mq_unlink": 181,
        "add_key": 217, "request_key": 218, "keyctl": 219,
        "fchmod": 52, "fchmodat": 53, "fchown": 55, "fchownat": 54,
        "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16,
        "utimensat": 88,
        "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "unshare": 97, "setns": 268,
        "open_by_handle_at": 265, "name_to_handle_at": 264, "fanotify_init": 262,
        "bpf": 280, "perf_event_open": 241, "userfaultfd": 282, "kexec_load": 104, "init_module": 105,
        "finit_module": 273,
    },
}  # fmt: skip
