//! Places of values in one array of 32-bit words, shared by values that do not live at once.

use super::{code::words, net::Net, products};
use bernet_runtime::graph::{Kind, Op, ValueId};

/// Where values and scratch memory begin, in words.
pub(super) struct Arena {
    /// Of each value that is computed or packed.
    pub(super) values: Vec<Option<usize>>,
    /// Of the scratch memory of each step.
    pub(super) scratch: Vec<usize>,
    /// All words.
    pub(super) words: usize,
}

/// Something that needs memory from one step to another, both counted.
struct Tenant {
    value: Option<ValueId>,
    step: usize,
    from: usize,
    to: usize,
    words: usize,
}

impl Arena {
    /// Places the largest first, each as low as the others that live with it allow.
    pub(super) fn new(net: &Net<'_>) -> Self {
        let mut tenants = tenants(net);
        tenants.sort_by_key(|tenant| (std::cmp::Reverse(tenant.words), tenant.from));
        let mut arena = Self {
            values: vec![None; net.graph.values.len()],
            scratch: vec![0; net.steps.len()],
            words: 0,
        };
        let mut placed: Vec<(usize, &Tenant)> = Vec::new();
        for tenant in &tenants {
            let mut near: Vec<_> = placed
                .iter()
                .filter(|(_, other)| other.from <= tenant.to && tenant.from <= other.to)
                .map(|(start, other)| (*start, start + other.words))
                .collect();
            near.sort_unstable();
            let mut start = 0;
            for (low, high) in near {
                if start + tenant.words <= low {
                    break;
                }
                start = start.max(high);
            }
            match tenant.value {
                Some(id) => arena.values[id.index()] = Some(start),
                None => arena.scratch[tenant.step] = start,
            }
            arena.words = arena.words.max(start + tenant.words);
            placed.push((start, tenant));
        }
        arena
    }
}

fn tenants(net: &Net<'_>) -> Vec<Tenant> {
    let graph = net.graph;
    let end = net.steps.len();
    let mut born = vec![None; graph.values.len()];
    let mut dies = vec![0; graph.values.len()];
    if net.value(net.input).kind == Kind::Bit && !products::is_lined(net) {
        born[net.input.index()] = Some(0);
    }
    let mut found = Vec::new();
    for (at, step) in net.steps.iter().enumerate() {
        // What is there before the first step is read at step 0 of a count that begins at 1.
        let time = at + 1;
        born[step.output.index()] = Some(time);
        dies[step.output.index()] = time;
        for input in &step.node.inputs {
            dies[net.holder[input.index()].index()] = time;
        }
        let words = products::scratch(net, step);
        if words > 0 {
            found.push(Tenant {
                value: None,
                step: at,
                from: time,
                to: time,
                words,
            });
        }
    }
    let output = net.holder[net.output.index()];
    dies[output.index()] = end + 1;
    debug_assert!(graph.nodes.iter().all(|node| {
        !matches!(node.op, Op::Constant(_)) || born[node.outputs[0].index()].is_none()
    }));
    for (index, value) in graph.values.iter().enumerate() {
        if let Some(from) = born[index] {
            found.push(Tenant {
                value: Some(ValueId(index as u32)),
                step: 0,
                from,
                to: dies[index],
                words: words(value.kind, value.shape.len()),
            });
        }
    }
    found
}
