//! Running a program takes no memory, and threads share one.

use bernet_kernels::{bits::BitMatrix, xnor::Threshold};
use bernet_runtime::{
    execute::{TensorMut, TensorRef, Workspace},
    graph::{
        BinaryConv, BinaryOp, Conv, ConvParams, Graph, GraphError, Kind, Op, PoolKind, PoolParams,
        Shape, UnaryOp,
    },
    plan::{Options, Program},
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// The system's allocator, which counts the calls of each thread.
struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller's contract is that of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from the system's allocator with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A net with a shortcut: floats → convolution → signs → binary convolution → sum with the
/// shortcut → pool, and bits of a second output.
fn net() -> Result<Graph, GraphError> {
    let mut graph = Graph::default();
    let x = graph.add_input("x", Kind::F32, Shape::new(8, 8, 3))?;
    let mut params = ConvParams::valid([3, 3]);
    params.padding = [1; 4];
    let conv = Conv {
        params,
        outputs: 16,
        weights: (0..16 * 27).map(|index| (index % 7) as f32 - 3.0).collect(),
        bias: vec![0.5; 16],
    };
    let stem = graph.add_node(Op::Conv(conv), &[x])?;
    let bits = graph.add_node(Op::Sign, &[stem])?;
    let weights = BitMatrix::from_fn(16, 144, |row, column| (row * column) % 3 == 1);
    let sums = graph.add_node(Op::BinaryConv(BinaryConv { params, weights }), &[bits])?;
    let affine = Op::Affine {
        scale: vec![0.25],
        bias: vec![],
    };
    let scaled = graph.add_node(affine, &[sums])?;
    let scaled = graph.add_node(Op::Unary(UnaryOp::Relu), &[scaled])?;
    let shortcut = graph.add_node(Op::Binary(BinaryOp::Add), &[scaled, stem])?;
    let pool = PoolParams {
        kind: PoolKind::Max,
        kernel: [2, 2],
        stride: [2, 2],
        padding: [0; 4],
    };
    let pooled = graph.add_node(Op::Pool(pool), &[shortcut])?;
    let threshold = Threshold {
        at_least: 3,
        invert: false,
    };
    let high = graph.add_node(Op::Threshold(vec![threshold]), &[sums])?;
    graph.add_output("pooled", pooled)?;
    graph.add_output("high", high)?;
    Ok(graph)
}

#[test]
fn running_takes_no_memory() {
    let graph = net().expect("a valid graph");
    let program = Program::new(&graph, &Options::default()).expect("a valid graph");
    let mut workspace = Workspace::new(&program);
    let batch = 3;
    let input: Vec<f32> = (0..batch * 192)
        .map(|index| (index % 11) as f32 - 5.0)
        .collect();
    let (mut pooled, mut high) = (vec![0.0; batch * 256], vec![0; batch * 8 * 2]);
    let mut run = || {
        let outputs = &mut [TensorMut::F32(&mut pooled), TensorMut::Bit(&mut high)];
        let before = CALLS.get();
        program
            .run(&mut workspace, batch, &[TensorRef::F32(&input)], outputs)
            .expect("inputs of the program");
        CALLS.get() - before
    };
    run();
    assert_eq!(run(), 0, "calls of the allocator");
}

#[test]
fn threads_share_a_program() {
    let graph = net().expect("a valid graph");
    let program = Program::new(&graph, &Options::default()).expect("a valid graph");
    let run = |seed: usize| {
        let input: Vec<f32> = (0..192).map(|at| ((at * seed) % 11) as f32 - 5.0).collect();
        let (mut pooled, mut high) = (vec![0.0; 256], vec![0; 16]);
        let outputs = &mut [TensorMut::F32(&mut pooled), TensorMut::Bit(&mut high)];
        program
            .run(
                &mut Workspace::new(&program),
                1,
                &[TensorRef::F32(&input)],
                outputs,
            )
            .expect("inputs of the program");
        (pooled, high)
    };
    let alone: Vec<_> = (1..9).map(run).collect();
    let run = &run;
    let together: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..9).map(|seed| scope.spawn(move || run(seed))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    assert_eq!(alone, together);
}
