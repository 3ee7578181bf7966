//! How a SYSCALL record begins, where it is as the kernel writes it: read without asking for the name of
//! each field.

use super::calls::Syscall;
use super::record::nibble;

/// The fields that the kernel writes first, always in this order (kernel/auditsc.c, `audit_log_exit`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub call: Syscall,
    /// What follows the process id.
    pub behind: &'a [u8],
}

impl<'a> Head<'a> {
    /// The head of a SYSCALL record's body; `None` where it is written in any other way, which need not be
    /// a wrong one.
    pub fn of(body: &'a [u8]) -> Option<Head<'a>> {
        let mut call = Syscall::default();
        let mut text = Cursor(body);
        let (arch, number) = text.arch_and_number()?;
        (call.arch, call.number) = (Some(arch), Some(number));
        // A call that does not return has neither.
        if text.passes(b" success=") {
            let success = text.passes(b"yes");
            if !success && !text.passes(b"no") {
                return None;
            }
            call.success = Some(success);
            text.pass(b" exit=")?;
            let negative = text.passes(b"-");
            let exit = i64::try_from(text.number()?).ok()?;
            call.exit = Some(if negative { -exit } else { exit });
        }
        for (name, argument) in [b" a0=", b" a1=", b" a2=", b" a3="].iter().zip(&mut call.arguments)
        {
            text.pass(*name)?;
            *argument = Some(text.hex()?);
        }
        text.pass(b" items=")?;
        text.number()?;
        text.pass(b" ppid=")?;
        call.ppid = Some(u32::try_from(text.number()?).ok()?);
        text.pass(b" pid=")?;
        call.pid = Some(u32::try_from(text.number()?).ok()?);
        let behind = text.0;
        behind.starts_with(b" ").then_some(Head { call, behind })
    }
}

/// The architecture and the call's number, where a SYSCALL record's body begins with them as the kernel
/// writes them.
pub(super) fn arch_and_number(body: &[u8]) -> Option<(u32, u32)> {
    let mut text = Cursor(body);
    let found = text.arch_and_number()?;
    text.0.starts_with(b" ").then_some(found)
}

/// What is still to be read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn arch_and_number(&mut self) -> Option<(u32, u32)> {
        self.pass(b" arch=")?;
        let arch = u32::try_from(self.hex()?).ok()?;
        self.pass(b" syscall=")?;
        Some((arch, u32::try_from(self.number()?).ok()?))
    }

    /// Passes these bytes, where they come next.
    fn passes(&mut self, bytes: &[u8]) -> bool {
        self.pass(bytes).is_some()
    }

    fn pass(&mut self, bytes: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(bytes)?;
        Some(())
    }

    /// A decimal number of at most 18 digits, which cannot overflow.
    fn number(&mut self) -> Option<u64> {
        let digit = |byte: &u8| Some(byte.wrapping_sub(b'0')).filter(|digit| *digit < 10);
        self.digits::<18>(10, digit)
    }

    /// A hexadecimal number of at most 64 bits.
    fn hex(&mut self) -> Option<u64> {
        self.digits::<16>(16, |byte| nibble(*byte))
    }

    fn digits<const MOST: usize>(
        &mut self,
        base: u64,
        digit: impl Fn(&u8) -> Option<u8>,
    ) -> Option<u64> {
        let (mut sum, mut count) = (0_u64, 0);
        for digit in self.0.iter().map_while(digit).take(MOST) {
            sum = sum * base + u64::from(digit);
            count += 1;
        }
        self.0 = &self.0[count..];
        // What digits are left is no field's beginning, and found then.
        (count > 0).then_some(sum)
    }
}
