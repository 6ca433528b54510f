//! Operators of TensorFlow Lite on cases that were worked out by hand, and what is refused.

use crate::file::{
    Field::{Bool, Byte, Float, Int},
    File, INT8, INT32, Options,
};
use bernet::exchange::tflite;
use bernet_runtime::{graph::Pixels, reference, tensor::Tensor};

/// The outputs of a file for one input.
fn run(file: &File, x: &[f32]) -> Vec<Vec<f32>> {
    let imported = tflite::import(&file.build()).expect("a net");
    let shape = imported.graph.value(imported.graph.inputs[0].value).shape;
    let x = Tensor::from_f32(x.len() / shape.len(), shape, x.to_vec()).expect("an input");
    let outputs = reference::run(&imported.graph, &[x]).expect("a valid graph");
    outputs.iter().map(Tensor::to_f32).collect()
}

/// The output of one operator whose other inputs are constants, made by `constants`.
fn apply(
    code: i32,
    shapes: [&[i32]; 2],
    options: Options,
    x: &[f32],
    constants: impl FnOnce(&mut File) -> Vec<i32>,
) -> Vec<f32> {
    let mut file = File::new(shapes[0]);
    let mut inputs = constants(&mut file);
    if !inputs.contains(&0) {
        inputs.insert(0, 0);
    }
    let y = file.operator(code, &inputs, options, shapes[1]);
    file.outputs = vec![y];
    run(&file, x).remove(0)
}

#[test]
fn convolutions_and_dense_layers() {
    // SAME, one line: the odd one is added on the right.
    let options = Some((
        1,
        vec![(0, Byte(0)), (1, Int(1)), (2, Int(1)), (3, Byte(1))],
    ));
    let y = apply(
        3,
        [&[1, 1, 3, 1], &[1, 1, 3, 2]],
        options,
        &[1.0, 2.0, 3.0],
        |file| {
            let filter = file.floats(&[2, 1, 2, 1], &[1.0, 10.0, -1.0, 0.0]);
            vec![filter, file.floats(&[2], &[0.5, 2.0])]
        },
    );
    assert_eq!(y, [21.5, 1.0, 32.5, 0.0, 3.5, 0.0]);
    // Two outputs for each of two channels, VALID.
    let options = Some((2, vec![(0, Byte(1)), (1, Int(1)), (2, Int(1)), (3, Int(2))]));
    let y = apply(
        4,
        [&[1, 1, 2, 2], &[1, 1, 1, 4]],
        options,
        &[1.0, 2.0, 3.0, 4.0],
        |file| {
            let filter = [1.0, 10.0, 100.0, 1000.0, 2.0, 20.0, 200.0, 2000.0];
            vec![
                file.floats(&[1, 1, 2, 4], &filter),
                file.floats(&[4], &[0.0; 4]),
            ]
        },
    );
    assert_eq!(y, [7.0, 70.0, 1000.0, 10000.0]);
    // All values of an item; then each pixel of it.
    let dense = |keep| Some((8, vec![(0, Byte(0)), (2, Bool(keep))]));
    let y = apply(
        9,
        [&[1, 1, 2, 1], &[1, 2]],
        dense(false),
        &[1.0, 2.0],
        |file| vec![file.floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]), -1],
    );
    assert_eq!(y, [5.0, 11.0]);
    let y = apply(
        9,
        [&[1, 2, 2], &[1, 2, 1]],
        dense(true),
        &[1.0, 2.0, 3.0, 4.0],
        |file| vec![file.floats(&[1, 2], &[1.0, 10.0]), -1],
    );
    assert_eq!(y, [21.0, 43.0]);
    // A matrix on the right.
    let options = Some((101, vec![]));
    let y = apply(
        126,
        [&[1, 1, 2], &[1, 1, 3]],
        options,
        &[1.0, 10.0],
        |file| vec![file.floats(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])],
    );
    assert_eq!(y, [41.0, 52.0, 63.0]);
}

#[test]
fn pools_and_reductions() {
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let pool = |kind| {
        let size = vec![
            (0, Byte(0)),
            (1, Int(2)),
            (2, Int(2)),
            (3, Int(2)),
            (4, Int(2)),
        ];
        apply(
            kind,
            [&[1, 2, 3, 1], &[1, 1, 2, 1]],
            Some((5, size)),
            &x,
            |_| vec![],
        )
    };
    assert_eq!(pool(17), [5.0, 6.0]);
    // Padding does not count in the mean.
    assert_eq!(pool(1), [3.0, 4.5]);
    let mean = |keep, shape: &[i32]| {
        let options = Some((27, vec![(0, Bool(keep))]));
        apply(40, [&[1, 3, 1, 2], shape], options, &x, |file| {
            vec![file.integers(&[2], &[1, -2])]
        })
    };
    assert_eq!(mean(true, &[1, 1, 1, 2]), [3.0, 4.0]);
    assert_eq!(mean(false, &[1, 2]), [3.0, 4.0]);
}

#[test]
fn functions_of_elements() {
    let x = [-2.0, 0.5];
    let shapes: [&[i32]; 2] = [&[1, 2], &[1, 2]];
    let one = |code, options: Options| apply(code, shapes, options, &x, |_| vec![]);
    assert_eq!(one(19, None), [0.0, 0.5]);
    assert_eq!(one(20, None), [-1.0, 0.5]);
    assert_eq!(one(98, Some((75, vec![(0, Float(0.25))]))), [-0.5, 0.5]);
    assert_eq!(one(117, None), [-2.0 / 6.0, 0.5 * 3.5 / 6.0]);
    assert_eq!(one(92, None), [4.0, 0.25]);
    let softmax = one(25, Some((9, vec![(0, Float(2.0))])));
    assert!((softmax[0] - 1.0 / (1.0 + 5_f32.exp())).abs() < 1e-7);
    let slope = |file: &mut File| vec![file.floats(&[2], &[0.5, 9.0])];
    assert_eq!(apply(54, shapes, None, &x, slope), [-1.0, 0.5]);
    // 1 − x, x − (1, 2), x · 3 with RELU, the larger of x and 0.25.
    let left = |file: &mut File| vec![file.floats(&[], &[1.0]), 0];
    assert_eq!(apply(41, shapes, Some((28, vec![])), &x, left), [3.0, 0.5]);
    let right = |file: &mut File| vec![file.floats(&[1, 2], &[1.0, 2.0])];
    assert_eq!(
        apply(41, shapes, Some((28, vec![])), &x, right),
        [-3.0, -1.5]
    );
    let three = |file: &mut File| vec![file.floats(&[1], &[3.0])];
    assert_eq!(
        apply(18, shapes, Some((21, vec![(0, Byte(1))])), &x, three),
        [0.0, 1.5]
    );
    let quarter = |file: &mut File| vec![file.floats(&[], &[0.25])];
    assert_eq!(apply(55, shapes, None, &x, quarter), [0.25, 0.5]);
    // A slope for each place.
    let slopes = |file: &mut File| vec![file.floats(&[2, 1], &[2.0, 3.0])];
    let y = apply(54, [&[1, 2, 1], &[1, 2, 1]], None, &[-1.0, -1.0], slopes);
    assert_eq!(y, [-2.0, -3.0]);
}

#[test]
fn values_are_moved() {
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let y = apply(39, [&[1, 2, 3], &[1, 3, 2]], None, &x, |file| {
        vec![file.integers(&[3], &[0, 2, 1])]
    });
    assert_eq!(y, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    let y = apply(22, [&[1, 2, 3], &[1, 6]], None, &x, |file| {
        vec![file.integers(&[2], &[-1, 6])]
    });
    assert_eq!(y, x);
    let masks = vec![(0, Int(1)), (1, Int(1))];
    let y = apply(
        45,
        [&[1, 2, 3], &[1, 1, 2]],
        Some((32, masks)),
        &x,
        |file| {
            let [starts, ends, steps] = [[0, -1, 0], [0, 2, 3], [1, 1, 2]];
            [starts, ends, steps]
                .map(|list| file.integers(&[3], &list))
                .to_vec()
        },
    );
    assert_eq!(y, [4.0, 6.0]);
    let y = apply(60, [&[1, 1, 2], &[1, 1, 4]], None, &[1.0, 2.0], |file| {
        let paddings = file.integers(&[3, 2], &[0, 0, 0, 0, 1, 1]);
        vec![paddings, file.floats(&[], &[-1.0])]
    });
    assert_eq!(y, [-1.0, 1.0, 2.0, -1.0]);
    // Halves swapped.
    let mut file = File::new(&[1, 1, 1, 6]);
    let axis = file.integers(&[], &[3]);
    let halves = [0, 0].map(|_| file.tensor(0, &[1, 1, 1, 3]));
    file.node((49, ""), &[axis, 0], &halves, Some((35, vec![])), vec![]);
    let options = Some((10, vec![(0, Int(-1))]));
    let y = file.operator(2, &[halves[1], halves[0]], options, &[1, 1, 1, 6]);
    file.outputs = vec![y, halves[0]];
    assert_eq!(
        run(&file, &x),
        [vec![4.0, 5.0, 6.0, 1.0, 2.0, 3.0], vec![1.0, 2.0, 3.0]]
    );
}

#[test]
fn a_graph_has_the_names_and_sizes_of_the_file() {
    let mut file = File::new(&[1, 2, 2, 3]);
    let y = file.operator(19, &[0], None, &[1, 2, 2, 3]);
    file.outputs = vec![y];
    let graph = tflite::import(&file.build()).expect("a net").graph;
    let (input, output) = (&graph.inputs[0], &graph.outputs[0]);
    assert_eq!((&input.name[..], &output.name[..]), ("t0", "t1"));
    assert_eq!(
        (&input.layout.dims[..], input.layout.batch),
        (&[2, 2, 3][..], true)
    );
    assert_eq!(input.pixels, Pixels::Unsaid);
}

/// The text with which a file is refused.
fn refused(file: &File) -> String {
    let error = tflite::import(&file.build()).expect_err("refused");
    error.to_string()
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let shape = &[1, 2, 2, 1][..];
    let with = |code, inputs: &[i32], kind| {
        let mut file = File::new(shape);
        let y = file.tensor(kind, shape);
        file.node((code, ""), inputs, &[y], None, vec![]);
        file.outputs = vec![y];
        file
    };
    for (file, text) in [
        (with(100, &[0], 0), "(MIRROR_PAD, output \"t1\"): operator"),
        (
            with(999, &[0], 0),
            "operator 0: operator: expected one of those that are supported, \
                              found number 999",
        ),
        (
            with(114, &[0], INT8),
            "expected float32, int32, int64 or bool, as models quantized",
        ),
        (
            with(19, &[5], 0),
            "input 0: expected a tensor below 2, found 5",
        ),
        (with(19, &[1], 0), "which nothing before it makes"),
        (
            with(19, &[], 0),
            "input 0: expected a computed value, found none",
        ),
        (with(3, &[0], 0), "(CONV_2D, output \"t1\"): options"),
        (
            with(19, &[0], INT32),
            "output 0: element type: expected f32, found int32",
        ),
    ] {
        let found = refused(&file);
        assert!(found.contains(text), "{found}\n{text}");
    }
    // Larq's 8-bit models, by the name of what they are.
    let mut file = File::new(&[1, 1, 1, 32]);
    let bits = file.custom("LceQuantize", &[0], &[], INT32, &[1, 1, 1, 1]);
    let y = file.custom("LceBconv2d", &[bits], &[], INT8, &[1, 1, 1, 1]);
    file.outputs = vec![y];
    assert!(refused(&file).contains("LCE's int8 models are not supported"));
    // Sizes that contradict the operators.
    let mut file = File::new(shape);
    let y = file.operator(19, &[0], None, &[1, 2, 3, 1]);
    file.outputs = vec![y];
    assert!(refused(&file).contains("expected [1, 2, 2, 1], which follow from the inputs"));
    let error = tflite::import(b"\x08\x03abcdefgh");
    assert!(
        error
            .expect_err("no net")
            .to_string()
            .contains("expected \"TFL3\"")
    );
}

/// A small file of many operators.
fn mixed() -> File {
    let mut file = File::new(&[1, 2, 2, 3]);
    let bits = file.custom("LceQuantize", &[0], &[], INT32, &[1, 2, 2, 1]);
    let filter = file.integers(&[2, 1, 1, 1], &[5, -3]);
    let (scale, bias) = (
        file.floats(&[2], &[1.0, 2.0]),
        file.floats(&[2], &[0.5, 0.0]),
    );
    let options = [
        ("channels_in", 3),
        ("dilation_height_factor", 1),
        ("dilation_width_factor", 1),
        ("fused_activation_function", 0),
        ("pad_values", 1),
        ("padding", 0),
        ("stride_height", 1),
        ("stride_width", 1),
    ];
    let inputs = [bits, filter, scale, bias, -1];
    let y = file.custom("LceBconv2d", &inputs, &options, 0, &[1, 2, 2, 2]);
    let axes = file.integers(&[2], &[1, 2]);
    let options = Some((27, vec![(0, Bool(false))]));
    let y = file.operator(40, &[y, axes], options, &[1, 2]);
    let weights = file.floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    let y = file.operator(9, &[y, weights, -1], Some((8, vec![(0, Byte(1))])), &[1, 2]);
    file.outputs = vec![y];
    file
}

#[test]
fn damaged_files_are_errors_or_valid_graphs() {
    let whole = mixed().build();
    assert!(tflite::import(&whole).is_ok());
    let mut refused = 0;
    for place in 0..whole.len() {
        for value in [0, 1, 2, 4, 9, 127, 128, 254, 255] {
            let mut bytes = whole.clone();
            bytes[place] = value;
            match tflite::import(&bytes) {
                Ok(imported) => imported.graph.validate().expect("a valid graph"),
                Err(_) => refused += 1,
            }
        }
        // What stands last is a name, which needs no 0 behind it.
        let cut = tflite::import(&whole[..place]);
        assert!(
            cut.is_err() || place + 4 > whole.len(),
            "{place} of {}",
            whole.len()
        );
    }
    assert!(refused > whole.len(), "{refused} of {} bytes", whole.len());
}

#[test]
fn a_constant_that_many_operators_share_does_not_fill_the_memory() {
    let mut file = File::new(&[1, 1, 1, 64]);
    let weights = file.floats(&[64, 64], &[1.0; 64 * 64]);
    let mut y = 0;
    for _ in 0..1000 {
        y = file.operator(
            9,
            &[y, weights, -1],
            Some((8, vec![(0, Byte(0))])),
            &[1, 64],
        );
    }
    file.outputs = vec![y];
    let text = refused(&file);
    assert!(text.contains("one shared by many operators"), "{text}");
}
