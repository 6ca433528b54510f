use bernet::{data, train::*};
use std::ops::ControlFlow::Continue;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let m = match a[1].as_str() {
        "ste" => MethodName::Ste,
        "real" => MethodName::Real,
        _ => MethodName::Bernoulli,
    };
    let net = Network::from_toml(if a[2] == "24" { SEED_24 } else { SEED }).unwrap();
    let (epochs, stop, seed) = (
        a[3].parse().unwrap(),
        a[4].parse::<u32>().unwrap(),
        a[5].parse().unwrap(),
    );
    let source = data::load_embedded();
    let (tr, va) = source.train.split(5000).unwrap();
    let mut t = Trainer::new(Config::new(m, net, epochs, seed)).unwrap();
    while !t.is_done() && (t.history().len() as u32) < stop {
        let l = t.epoch(&tr, |_| Continue(())).unwrap().unwrap();
        let s = std::time::Instant::now();
        let acc = t.evaluate_real(&tr, &va).unwrap();
        let e = t.finish_epoch(l, acc, s.elapsed().as_secs_f64());
        if e.number % 5 == 0 || e.number < 4 || t.is_done() {
            println!("{e:?}");
        }
    }
    if t.is_done() {
        println!("test {}", t.evaluate_real(&tr, &source.test).unwrap());
    }
}
