//! QEMU's mps2-an386, a Cortex-M4: start, semihosting, the system timer as a counter of
//! instructions. A product has its own in place of this.

use core::{arch::asm, ptr};

unsafe extern "C" {
    static board_data_from: u32;
    static mut board_data: u32;
    static board_data_end: u32;
    static mut board_bss: u32;
    static board_bss_end: u32;
    static mut board_stack_limit: u32;
    fn board_stack_top();
}

/// What stands in a vector: an address.
#[derive(Clone, Copy)]
#[repr(C)]
union Vector {
    stack: unsafe extern "C" fn(),
    handler: extern "C" fn() -> !,
    none: usize,
}

#[unsafe(link_section = ".vectors")]
#[used]
static VECTORS: [Vector; 16] = {
    let mut vectors = [Vector { none: 0 }; 16];
    vectors[0] = Vector {
        stack: board_stack_top,
    };
    vectors[1] = Vector { handler: reset };
    vectors[2] = Vector { handler: fault };
    vectors[3] = Vector { handler: fault };
    vectors
};

/// The first instruction of all.
#[unsafe(no_mangle)]
extern "C" fn reset() -> ! {
    // SAFETY: the linker script bounds both sections by these addresses, multiples of four, and
    // nothing refers to statics before this has run.
    unsafe {
        let (mut from, mut to) = (&raw const board_data_from, &raw mut board_data);
        while to.cast_const() < &raw const board_data_end {
            ptr::write_volatile(to, ptr::read(from));
            (from, to) = (from.add(1), to.add(1));
        }
        let mut to = &raw mut board_bss;
        while to.cast_const() < &raw const board_bss_end {
            ptr::write_volatile(to, 0);
            to = to.add(1);
        }
    }
    start_counter();
    crate::main();
    exit(false)
}

extern "C" fn fault() -> ! {
    print(c"a fault of the processor\n");
    exit(false)
}

/// Asks the host, by semihosting.
fn host(operation: usize, argument: usize) {
    // SAFETY: the host reads the text that the argument of a print leads to, and writes nothing.
    unsafe {
        asm!("bkpt 0xab", inout("r0") operation => _, in("r1") argument);
    }
}

/// Prints a text.
pub fn print(text: &core::ffi::CStr) {
    host(0x04, text.as_ptr() as usize);
}

/// Prints a name and a number.
pub fn print_number(name: &core::ffi::CStr, mut number: u32) {
    let mut digits = [b'\n', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    digits.reverse();
    let mut at = digits.len() - 2;
    digits[at] = b'\n';
    digits[at + 1] = 0;
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    digits[at - 1] = b' ';
    print(name);
    if let Ok(text) = core::ffi::CStr::from_bytes_with_nul(&digits[at - 1..]) {
        print(text);
    }
}

/// Ends the program; QEMU's exit code is 0 where it passed.
pub fn exit(passed: bool) -> ! {
    host(0x18, if passed { 0x20026 } else { 0x20023 });
    loop {
        core::hint::spin_loop();
    }
}

const SYST_CSR: *mut u32 = 0xe000_e010 as *mut u32;
const SYST_RVR: *mut u32 = 0xe000_e014 as *mut u32;
const SYST_CVR: *mut u32 = 0xe000_e018 as *mut u32;

fn start_counter() {
    // SAFETY: the timer's registers of every Cortex-M, which nothing else uses.
    unsafe {
        ptr::write_volatile(SYST_RVR, 0xff_ffff);
        ptr::write_volatile(SYST_CVR, 0);
        ptr::write_volatile(SYST_CSR, 5);
    }
}

/// Instructions that one step of the counter is: with `-icount shift=0` an instruction takes one
/// nanosecond of QEMU's time, and the timer has 25 MHz.
pub const STEP: u32 = 40;

/// The counter, which counts down.
pub fn count() -> u32 {
    // SAFETY: as in `start_counter`.
    unsafe { ptr::read_volatile(SYST_CVR) }
}

/// Instructions since an earlier count.
pub fn since(earlier: u32) -> u32 {
    (earlier.wrapping_sub(count()) & 0xff_ffff) * STEP
}

/// Runs a loop of 2 · `rounds` instructions.
pub fn turns(rounds: u32) {
    // SAFETY: it counts a register down.
    unsafe {
        asm!("2: subs {0}, #1", "bne 2b", inout(reg) rounds => _);
    }
}

const PAINT: u32 = 0xa5a5_a5a5;

fn stack_pointer() -> *mut u32 {
    let pointer: *mut u32;
    // SAFETY: it reads a register.
    unsafe {
        asm!("mov {0}, sp", out(reg) pointer);
    }
    pointer
}

/// Fills the stack below what is in use; returns where that ends.
#[inline(never)]
pub fn paint() -> *const u32 {
    let top = stack_pointer();
    let mut word = &raw mut board_stack_limit;
    // SAFETY: the words between the statics and the stack in use, less 16 of them, are nobody's.
    unsafe {
        while word < top.sub(16) {
            ptr::write_volatile(word, PAINT);
            word = word.add(1);
        }
    }
    top
}

/// Bytes below `top` down to the lowest word of the stack that was written to.
#[inline(never)]
pub fn stack_used(top: *const u32) -> u32 {
    let mut lowest = (&raw const board_stack_limit).cast::<u32>();
    // SAFETY: the words are those of the RAM above the statics, up to `top`.
    unsafe {
        while lowest < top && ptr::read_volatile(lowest) == PAINT {
            lowest = lowest.add(1);
        }
    }
    (top as usize - lowest as usize) as u32
}
