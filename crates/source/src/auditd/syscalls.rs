//! Which system calls matter, by architecture and number.

/// A system call that says something about processes or sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// execve and execveat.
    Exec,
    /// exit: one thread ends.
    ThreadExit,
    /// exit_group: the process ends.
    Exit,
    /// connect.
    Connect,
    /// socket.
    Socket,
    /// sendto.
    SendTo,
    /// sendmsg and sendmmsg.
    SendMessage,
    /// socketcall, which multiplexes the socket calls by its first argument.
    Multiplexed,
}

/// What an architecture's number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// A call that matters.
    Call(Call),
    /// Any other call.
    Other,
    /// The architecture is not in the table.
    UnknownArchitecture,
}

/// AUDIT_ARCH_X86_64; x32 programs share it and mark their numbers with [`X32_BIT`].
const X86_64: u32 = 0xc000_003e;

/// __X32_SYSCALL_BIT of the kernel's asm/unistd.h.
const X32_BIT: u32 = 0x4000_0000;

/// __AUDIT_ARCH_LE of linux/audit.h: set where the machine is little-endian.
const LITTLE_ENDIAN_BIT: u32 = 0x4000_0000;

/// One architecture's numbers; 0 where it has no such call. x86_64, aarch64, i386, arm, ppc64le and
/// s390x agree with `ausyscall` of audit-userspace 3.0.9; x32 is of the kernel's syscall_64.tbl.
struct Numbers {
    connect: u32,
    execve: u32,
    execveat: u32,
    exit: u32,
    exit_group: u32,
    socket: u32,
    sendto: u32,
    sendmsg: u32,
    sendmmsg: u32,
    socketcall: u32,
}

const AMD64: Numbers = Numbers {
    connect: 42,
    execve: 59,
    execveat: 322,
    exit: 60,
    exit_group: 231,
    socket: 41,
    sendto: 44,
    sendmsg: 46,
    sendmmsg: 307,
    socketcall: 0,
};

/// x32 has its own numbers where pointers lie in memory that the call reads.
const X32: Numbers = Numbers { execve: 520, execveat: 545, sendmsg: 518, sendmmsg: 538, ..AMD64 };

/// The generic table, which aarch64 and riscv64 use.
const GENERIC: Numbers = Numbers {
    connect: 203,
    execve: 221,
    execveat: 281,
    exit: 93,
    exit_group: 94,
    socket: 198,
    sendto: 206,
    sendmsg: 211,
    sendmmsg: 269,
    socketcall: 0,
};

const I386: Numbers = Numbers {
    connect: 362,
    execve: 11,
    execveat: 358,
    exit: 1,
    exit_group: 252,
    socket: 359,
    sendto: 369,
    sendmsg: 370,
    sendmmsg: 345,
    socketcall: 102,
};

const ARM: Numbers = Numbers {
    connect: 283,
    execve: 11,
    execveat: 387,
    exit: 1,
    exit_group: 248,
    socket: 281,
    sendto: 290,
    sendmsg: 296,
    sendmmsg: 374,
    socketcall: 102,
};

const POWER: Numbers = Numbers {
    connect: 328,
    execve: 11,
    execveat: 362,
    exit: 1,
    exit_group: 234,
    socket: 326,
    sendto: 335,
    sendmsg: 341,
    sendmmsg: 349,
    socketcall: 102,
};

const S390: Numbers = Numbers {
    connect: 362,
    execve: 11,
    execveat: 354,
    exit: 1,
    exit_group: 248,
    socket: 359,
    sendto: 369,
    sendmsg: 370,
    sendmmsg: 358,
    socketcall: 102,
};

/// What a SYSCALL record's `arch` and `syscall` say.
pub(super) fn known(arch: u32, number: u32) -> Known {
    // AUDIT_ARCH_* of linux/audit.h: the ELF machine, 0x80000000 for 64 bits, 0x40000000 for
    // little-endian.
    let (numbers, number) = match arch {
        X86_64 if number & X32_BIT != 0 => (&X32, number & !X32_BIT),
        X86_64 => (&AMD64, number),
        0xc000_00b7 | 0xc000_00f3 => (&GENERIC, number),
        0x4000_0003 => (&I386, number),
        0x4000_0028 | 0x0000_0028 => (&ARM, number),
        0xc000_0015 | 0x8000_0015 | 0x0000_0014 => (&POWER, number),
        0x8000_0016 | 0x0000_0016 => (&S390, number),
        _ => return Known::UnknownArchitecture,
    };
    if number == 0 {
        return Known::Other;
    }
    let call = match number {
        n if n == numbers.connect => Call::Connect,
        n if n == numbers.execve || n == numbers.execveat => Call::Exec,
        n if n == numbers.exit_group => Call::Exit,
        n if n == numbers.exit => Call::ThreadExit,
        n if n == numbers.socket => Call::Socket,
        n if n == numbers.sendto => Call::SendTo,
        n if n == numbers.sendmsg || n == numbers.sendmmsg => Call::SendMessage,
        n if n == numbers.socketcall => Call::Multiplexed,
        _ => return Known::Other,
    };
    Known::Call(call)
}

/// The call that socketcall's first argument names (linux/net.h SYS_CONNECT and its kin); `None`
/// for those that do not matter (bind, listen, recv …).
pub(super) fn of_socketcall(a0: u64) -> Option<Call> {
    match a0 {
        1 => Some(Call::Socket),
        3 => Some(Call::Connect),
        11 => Some(Call::SendTo),
        16 | 20 => Some(Call::SendMessage),
        _ => None,
    }
}

/// Whether an architecture writes numbers least significant byte first.
pub(super) fn is_little_endian(arch: u32) -> bool {
    arch & LITTLE_ENDIAN_BIT != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_architecture_of_the_table_knows_its_calls() {
        let cases = [
            (0xc000_003e, 42, Call::Connect),
            (0xc000_003e, 59, Call::Exec),
            (0xc000_003e, 322, Call::Exec),
            (0xc000_003e, 231, Call::Exit),
            (0xc000_003e, 60, Call::ThreadExit),
            (0xc000_003e, X32_BIT | 42, Call::Connect),
            (0xc000_003e, X32_BIT | 520, Call::Exec),
            (0xc000_00b7, 203, Call::Connect),
            (0xc000_00f3, 221, Call::Exec),
            (0x4000_0003, 102, Call::Multiplexed),
            (0x4000_0003, 11, Call::Exec),
            (0x4000_0028, 283, Call::Connect),
            (0xc000_0015, 328, Call::Connect),
            (0x8000_0015, 335, Call::SendTo),
            (0x8000_0016, 358, Call::SendMessage),
        ];
        for (arch, number, call) in cases {
            assert_eq!(known(arch, number), Known::Call(call), "{arch:x} {number}");
        }
        assert_eq!(known(0xc000_003e, 11), Known::Other, "munmap on x86_64, execve on i386");
        assert_eq!(known(0xc000_003e, 0), Known::Other, "read, not a missing socketcall");
        assert_eq!(known(0xc000_003e, X32_BIT | 59), Known::Other, "x32 has its own execve");
        assert_eq!(known(7, 42), Known::UnknownArchitecture);
        assert!(is_little_endian(0xc000_003e) && !is_little_endian(0x8000_0015));
    }
}
