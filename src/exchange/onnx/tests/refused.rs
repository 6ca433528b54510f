//! Graphs that are refused, and the texts that say why.

use super::{Net, OPEN, data_type, int, ints, text};
use crate::exchange::{ImportOptions, onnx::import};
use prost::Message;

#[test]
fn an_unknown_operator_is_named_with_its_node() {
    let net = Net::new(&[1, 2]).node("LSTM", "x", "y", &[]);
    net.refused(&["node \"LSTM of x\"", "(LSTM)", "not known"]);
}

#[test]
fn a_node_without_a_name_is_found_by_its_place_and_output() {
    let mut net = Net::new(&[1, 2]).node("LSTM", "x", "y", &[]);
    net.graph.node[0].name.clear();
    net.refused(&["node 0, output \"y\" (LSTM)"]);
}

#[test]
fn an_unknown_domain() {
    let mut net = Net::new(&[1, 2]).node("Relu", "x", "y", &[]);
    net.graph.node[0].domain = "com.example".into();
    net.refused(&["com.example", "standard"]);
}

#[test]
fn an_opset_that_is_too_old_or_new() {
    for opset in [1, 99] {
        let net = Net::new(&[1, 2]).opset(opset).node("Relu", "x", "y", &[]);
        net.refused(&["opset", "expected 7 to 24", &opset.to_string()]);
    }
}

#[test]
fn images_of_open_size_and_inputs_of_unknown_shape() {
    let net = Net::new(&[OPEN, 1, OPEN, OPEN]).node("Relu", "x", "y", &[]);
    net.refused(&["input \"x\"", "axis 2", "--input-shape"]);
    let options = ImportOptions {
        input_shapes: [("x".to_owned(), vec![1, 1, 2, 2])].into(),
        ..ImportOptions::default()
    };
    let graph = import(&net.model("y").encode_to_vec(), &options)
        .expect("a net of this size")
        .graph;
    assert_eq!(
        super::run(&graph, &[1.0, -1.0, 2.0, -2.0])[0].0,
        [1, 1, 2, 2]
    );
    let wrong = ImportOptions {
        input_shapes: [("z".to_owned(), vec![1])].into(),
        ..ImportOptions::default()
    };
    let error = import(&net.model("y").encode_to_vec(), &wrong).unwrap_err();
    assert!(error.to_string().contains("no such input"), "{error}");
}

#[test]
fn a_reshape_that_mixes_the_batch() {
    Net::new(&[OPEN, 4])
        .integers("shape", &[-1, 2])
        .node("Reshape", "x shape", "y", &[])
        .refused(&["Reshape", "mixes the items of a batch"]);
}

#[test]
fn what_goes_over_an_open_batch() {
    let net = Net::new(&[OPEN, 4]).node("ReduceMean", "x", "y", &[ints("axes", &[0])]);
    net.refused(&["ReduceMean", "batch"]);
    let net = Net::new(&[OPEN, 4])
        .integers("starts", &[0])
        .integers("ends", &[1])
        .node("Slice", "x starts ends", "y", &[]);
    net.refused(&["Slice", "batch"]);
}

#[test]
fn weights_that_depend_on_the_input() {
    Net::new(&[1, 1, 1, 1])
        .node("Conv", "x x", "y", &[])
        .refused(&["Conv", "weights", "constant"]);
    Net::new(&[2, 2])
        .node("MatMul", "x x", "y", &[])
        .refused(&["MatMul", "both depend"]);
}

#[test]
fn sizes_that_do_not_fit() {
    Net::new(&[OPEN, 3])
        .floats("w", &[2, 2], &[1.0; 4])
        .node("MatMul", "x w", "y", &[])
        .refused(&["MatMul", "expected 2", "found 3"]);
    Net::new(&[OPEN, 3])
        .floats("b", &[2], &[1.0; 2])
        .node("Add", "x b", "y", &[])
        .refused(&["Add", "equal or 1"]);
}

#[test]
fn training_graphs_and_sorting() {
    Net::new(&[1, 1])
        .floats("c", &[1], &[1.0])
        .node(
            "BatchNormalization",
            "x c c c c",
            "y",
            &[int("training_mode", 1)],
        )
        .refused(&["training_mode", "model.eval()"]);
    Net::new(&[1, 4])
        .integers("k", &[2])
        .node("TopK", "x k", "y", &[])
        .refused(&["TopK", "expected 1, found 2"]);
}

#[test]
fn other_modes_are_named() {
    Net::new(&[1, 1, 2, 2])
        .floats("scales", &[4], &[1.0, 1.0, 2.0, 2.0])
        .node("Resize", "x _ scales", "y", &[text("mode", "linear")])
        .refused(&["Resize", "linear"]);
    Net::new(&[1, 1])
        .floats("scale", &[], &[1.0])
        .node("QuantizeLinear", "x scale", "y", &[])
        .refused(&["QuantizeLinear", "float32"]);
}

#[test]
fn nodes_out_of_order_cycles_and_names_twice() {
    Net::new(&[1, 1])
        .node("Relu", "a", "y", &[])
        .node("Relu", "x", "a", &[])
        .refused(&["\"a\"", "earlier node"]);
    Net::new(&[1, 1])
        .node("Relu", "y", "y", &[])
        .refused(&["\"y\""]);
    Net::new(&[1, 1])
        .node("Relu", "x", "y", &[])
        .node("Abs", "x", "y", &[])
        .refused(&["\"y\"", "nothing else"]);
    Net::new(&[1, 1])
        .floats("c", &[1], &[1.0])
        .floats("c", &[1], &[2.0])
        .node("Relu", "x", "y", &[])
        .refused(&["tensor \"c\"", "found two"]);
    Net::new(&[1, 1]).refused(&["output \"y\"", "nothing computes it"]);
}

#[test]
fn tensors_that_lie_about_their_size() {
    Net::new(&[1, 1])
        .floats("c", &[3], &[1.0])
        .node("Add", "x c", "y", &[])
        .refused(&["tensor \"c\"", "expected 3 values"]);
    let strange = super::TensorProto {
        dims: vec![1],
        data_type: data_type::BFLOAT16 + 1,
        name: "c".into(),
        ..Default::default()
    };
    Net::new(&[1, 1])
        .tensor(strange)
        .node("Add", "x c", "y", &[])
        .refused(&["8-bit floats"]);
}
