//! Where a net's time goes: each step's time beside what it would take at the ceilings of the CPU.

use super::net_speed::{NetSpeed, StepSpeed};
use bernet::{
    measure::{Ceilings, Host},
    report::{Align, Bar, Table, bars_svg},
};

impl StepSpeed {
    fn has_products(&self) -> bool {
        self.binary_macs + self.real_macs > 0
    }

    /// The bound in parts of the time.
    fn share(&self) -> f64 {
        self.bound_ms / self.least_ms.max(1e-9)
    }
}

/// A row for each step; `whole` is the sum of their times.
pub(super) fn table(steps: &[StepSpeed], whole: f64) -> Table {
    let mut table = Table::new([
        ("node", Align::Right),
        ("step", Align::Left),
        ("shape", Align::Left),
        ("ms", Align::Right),
        ("%", Align::Right),
        ("bound, ms", Align::Right),
        ("of the ceiling", Align::Right),
        ("GMAC/s", Align::Right),
        ("kB", Align::Right),
    ]);
    for step in steps {
        let pace = match step.has_products() {
            true => format!("{:.1}", step.gmac_per_s),
            false => String::new(),
        };
        table.row(vec![
            step.node.to_string(),
            step.step.into(),
            step.shape.clone(),
            format!("{:.3}", step.least_ms),
            format!("{:.1}", 100.0 * step.least_ms / whole),
            format!("{:.3}", step.bound_ms),
            format!("{:.2}", step.share()),
            pace,
            step.bytes.div_ceil(1000).to_string(),
        ]);
    }
    table
}

/// What the bounds are made of, and their sum.
pub(super) fn summary(steps: &[StepSpeed], ceilings: &Ceilings) -> String {
    let sum = |part: fn(&StepSpeed) -> f64| steps.iter().map(part).sum::<f64>();
    format!(
        "times are the least of each step; bounds: products at {:.0} binary and {:.1} real GMAC/s, \
         other steps' bytes at {:.1} GB/s, {:.2} ms in all of {:.2}",
        ceilings.binary,
        ceilings.real,
        ceilings.bytes,
        sum(|step| step.bound_ms),
        sum(|step| step.least_ms)
    )
}

/// Bars of the steps' times, of which the dark part is the bound.
pub(super) fn picture(net: &NetSpeed, steps: &[StepSpeed], host: &Host) -> String {
    let bars: Vec<_> = steps
        .iter()
        .map(|step| Bar {
            label: format!("{} {} {}", step.node, step.step, step.shape),
            note: format!(
                "{:.3} ms, {:.2} of the ceiling",
                step.least_ms,
                step.share()
            ),
            value: step.least_ms,
            part: step.bound_ms,
            kind: match (step.binary_macs, step.real_macs) {
                (0, 0) => 2,
                (0, _) => 1,
                _ => 0,
            },
        })
        .collect();
    let title = format!(
        "{}: {:.2} ms an item ({}, {})",
        net.name(),
        net.least_ms,
        net.way(),
        host.cpu
    );
    let legend = [
        "binary products (dark: at the ceiling)",
        "real products",
        "other steps (dark: their bytes at the pace of a copy)",
    ];
    bars_svg(&title, &legend, &bars)
}
