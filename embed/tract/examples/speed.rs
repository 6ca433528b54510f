//! How much faster a graph runs with its binary layers replaced: `speed NET.onnx…`, images of 1×28×28, one thread, batches of 1 and 10.
//! The two are run in turns; the time is that of the best call.

use std::time::{Duration, Instant};
use tract_onnx::prelude::*;

const TURNS: usize = 30;

fn main() -> TractResult<()> {
    println!("net, batch, tract µs, replaced µs, times faster");
    for path in std::env::args().skip(1) {
        for batch in [1, 10] {
            let shape = [batch, 1, 28, 28];
            let model = bernet_tract::onnx()
                .model_for_path(&path)?
                .with_input_fact(0, f32::fact(shape).into())?
                .into_typed()?;
            let mut replaced = model.clone();
            bernet_tract::replace(&mut replaced)?;
            let nets = [model, replaced].map(|model| model.into_optimized()?.into_runnable());
            let [own, replaced] = nets;
            let (own, replaced) = (own?, replaced?);

            let values: Vec<f32> = (0..shape.iter().product())
                .map(|index: usize| (index * 37 % 101) as f32 / 100.0)
                .collect();
            let image = Tensor::from_shape(&shape, &values)?.into_tvalue();
            assert_eq!(
                own.run(tvec!(image.clone()))?,
                replaced.run(tvec!(image.clone()))?
            );
            let mut best = [Duration::MAX; 2];
            for _ in 0..TURNS {
                for (net, best) in [&own, &replaced].into_iter().zip(&mut best) {
                    let begin = Instant::now();
                    let mut calls = 0;
                    while begin.elapsed() < Duration::from_millis(20) {
                        let begin = Instant::now();
                        net.run(tvec!(image.clone()))?;
                        *best = begin.elapsed().min(*best);
                        calls += 1;
                    }
                    assert!(calls > 0);
                }
            }
            let [own, replaced] = best.map(|time| time.as_secs_f64() * 1e6);
            println!(
                "{path}, {batch}, {own:.0}, {replaced:.0}, {:.1}",
                own / replaced
            );
        }
    }
    Ok(())
}
