//! A call on a workspace that has been reserved for allocates nothing.

use bernet_kernels::{
    bits::{BitMatrix, BitTensor, Shape},
    isa::Level,
    packing,
    xnor::{
        Activation, BinaryConv2d, ByteConv2d, Conv2d, ConvParams, Epilogue, PackedWeights,
        PaddingValue, Residual, Signs, Threshold, Transform, Workspace, gemm, max_pool,
    },
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: hands everything to the system's allocator, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` allocates.
fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

#[test]
fn calls_on_reserved_workspaces_allocate_nothing() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
    let threshold = Threshold {
        at_least: 0,
        invert: false,
    };
    let padding_values = [
        PaddingValue::Zero,
        PaddingValue::MinusOne,
        PaddingValue::PlusOne,
    ];
    for level in Level::available() {
        for (channels, outputs, side, groups) in [
            (1, 8, 28, 1),
            (3, 33, 9, 1),
            (64, 64, 60, 1),
            (33, 33, 7, 33),
            (128, 40, 3, 1),
        ] {
            for padding_value in padding_values {
                let params = ConvParams {
                    stride: [1, 2],
                    padding: [1; 4],
                    padding_value,
                    groups,
                    ..ConvParams::valid([3, 3])
                };
                let shape = Shape {
                    batch: 2,
                    height: side,
                    width: side,
                    channels,
                };
                let weights =
                    BitMatrix::from_fn(outputs, 9 * channels / groups, |n, k| (n + k * k) % 3 == 0);
                let conv = Conv2d::new(level, channels, params, &weights).unwrap();
                let output = conv.output_shape(shape).unwrap();
                let pixels = output.batch * output.height * output.width;
                let input = BitTensor::all_minus_one(shape);
                let thresholds = vec![threshold; outputs];
                let mut sums = vec![0; pixels * outputs];
                let mut numbers = vec![0.0; pixels * outputs];
                let scale = vec![0.5; outputs];
                let mut bits = BitTensor::all_minus_one(output);
                let mut workspace = Workspace::default();
                conv.reserve(&mut workspace, shape).unwrap();
                let binary = BinaryConv2d::new(conv.clone(), thresholds.clone()).unwrap();
                let count = allocations(|| {
                    let sums = Epilogue::Sums((&mut sums).into());
                    conv.run(&mut workspace, &input, sums).unwrap();
                    binary
                        .activations_in(&mut workspace, &input, &mut bits)
                        .unwrap();
                    let out = bits.view_mut();
                    let thresholds = &thresholds;
                    let epilogue = Epilogue::Bits { thresholds, out };
                    conv.run(&mut workspace, &input, epilogue).unwrap();
                    let transform = Transform {
                        scale: Some(&scale),
                        activation: Activation::HARD_TANH,
                        residual: Residual::Out,
                        ..Transform::default()
                    };
                    let epilogue = Epilogue::NumbersAndSigns {
                        transform,
                        out: (&mut numbers).into(),
                        signs: Signs {
                            at_least: None,
                            out: bits.view_mut(),
                        },
                    };
                    conv.run(&mut workspace, &input, epilogue).unwrap();
                });
                assert_eq!(count, 0, "{level}, {params:?}");
                if padding_value != PaddingValue::Zero {
                    continue;
                }
                let conv = ByteConv2d::new(level, channels, params, &weights).unwrap();
                let input = vec![3; 2 * side * side * channels];
                let mut workspace = Workspace::default();
                conv.reserve(&mut workspace, shape).unwrap();
                let count = allocations(|| {
                    let sums = Epilogue::Sums((&mut sums).into());
                    conv.run(&mut workspace, shape, &input, sums).unwrap();
                });
                assert_eq!(count, 0, "{level}, bytes, {params:?}");
            }
        }
        let weights = PackedWeights::new(level, &BitMatrix::all_minus_one(70, 300)).unwrap();
        let (a, mut out) = (BitMatrix::all_minus_one(9, 300), vec![0; 9 * 70]);
        let tensor = BitTensor::all_minus_one(Shape {
            batch: 1,
            height: 8,
            width: 8,
            channels: 24,
        });
        let mut pooled = BitTensor::all_minus_one(Shape {
            height: 4,
            width: 4,
            ..tensor.shape()
        });
        let numbers = vec![1.0_f32; 9 * 300];
        let mut packed = BitMatrix::all_minus_one(9, 300);
        let count = allocations(|| {
            gemm(&a, &weights, Epilogue::Sums((&mut out).into())).unwrap();
            max_pool(&tensor, [2, 2], [2, 2], [0; 4], &mut pooled).unwrap();
            packing::signs(level, &numbers, &mut packed).unwrap();
        });
        assert_eq!(count, 0, "{level}");
    }
}
