//! Models as graphs: the same logits as the chain's.

use crate::{any::any_model, nets};
use bernet::{infer::reference, model::Model};
use bernet_kernels::bits::BitTensor;
use bernet_runtime::{
    format,
    graph::{Graph, Kind},
    tensor::{Data, Tensor},
};
use proptest::prelude::*;

/// The images as the input of a graph.
fn input(graph: &Graph, images: &BitTensor) -> Tensor {
    let value = graph.value(graph.inputs[0].value);
    let (batch, len) = (images.shape().batch, value.shape.len());
    let bits = |channels: usize| {
        let [height, width] = [value.shape.height, value.shape.width];
        (0..batch * height * width * channels).map(move |index| {
            let (rest, channel) = (index / channels, index % channels);
            let (rest, x) = (rest / width, rest % width);
            images.get(rest / height, rest % height, x, channel)
        })
    };
    let channels = value.shape.channels;
    let data = if value.kind == Kind::U8 {
        let bits: Vec<_> = bits(8 * channels).collect();
        let byte = |bits: &[bool]| (0..8).map(|bit| u8::from(bits[bit]) << bit).sum();
        Data::U8(bits.chunks(8).map(byte).collect())
    } else {
        Data::Bit(bits(channels).collect())
    };
    assert_eq!(data.len(), batch * len);
    Tensor::new(batch, value.shape, data).unwrap()
}

fn compare(model: &Model, images: &BitTensor) {
    let graph = model.to_graph().unwrap();
    assert_eq!(
        format::from_bytes(&format::to_bytes(&graph).unwrap()),
        Ok(graph.clone())
    );
    assert_eq!(graph.metadata, model.metadata);
    let outputs = bernet_runtime::reference::run(&graph, &[input(&graph, images)]).unwrap();
    let expected = reference::trace(model, &reference::unpack(images)).unwrap();
    if outputs[0].kind() == Kind::I32 {
        assert_eq!(outputs[0].data(), &Data::I32(expected.logits));
        return;
    }
    let largest = expected
        .real_logits
        .iter()
        .fold(0.0, |most: f64, logit| most.max(logit.abs()));
    for (found, expected) in outputs[0].to_f32().into_iter().zip(expected.real_logits) {
        let error = (f64::from(found) - expected).abs();
        assert!(error <= 1e-6 * largest, "{found}, expected {expected}");
    }
}

#[test]
fn nets_of_every_kind_keep_their_logits() {
    let random = &mut nets::generator(12);
    for model in [
        nets::seed_net(true, random),
        nets::pooled_net(random),
        nets::grey_net(random),
        nets::grouped_net(random),
        nets::grey_groups_net(random),
        nets::real_net(random),
    ] {
        let images = nets::images(&model, 3, random);
        compare(&model, &images);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_model_keeps_its_logits(model in any_model(), seed in any::<u64>()) {
        let images = nets::images(&model, 2, &mut nets::generator(seed));
        compare(&model, &images);
    }
}
