use bernet::{data::Dataset, train::*};
use bernet_kernels::bits::*;
fn load(p: &str) -> Dataset {
    let d = "/tmp/mnist/package/data/";
    let im = std::fs::read(format!("{d}{p}-images-idx3-ubyte")).unwrap();
    let la = std::fs::read(format!("{d}{p}-labels-idx1-ubyte")).unwrap()[8..].to_vec();
    let n = la.len();
    let lines = BitMatrix::from_fn(n * 28, 28, |r, c| im[16 + r * 28 + c] >= 128);
    Dataset { images: BitTensor::from_lines(Shape { batch: n, height: 28, width: 28, channels: 1 }, lines).unwrap(), labels: la }
}
fn range(d: &Dataset, a: usize, b: usize) -> Dataset {
    let w = d.images.lines().words()[a * 28..b * 28].to_vec();
    Dataset { images: BitTensor::from_lines(Shape { batch: b - a, height: 28, width: 28, channels: 1 }, BitMatrix::from_words((b - a) * 28, 28, w).unwrap()).unwrap(), labels: d.labels[a..b].to_vec() }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let m = match a[1].as_str() { "ste" => MethodName::Ste, "real" => MethodName::Real, _ => MethodName::Bernoulli };
    let net = Network::from_toml(if a[2] == "24" { SEED_24 } else { SEED }).unwrap();
    let (epochs, stop, seed) = (a[3].parse().unwrap(), a[4].parse::<u32>().unwrap(), a[5].parse().unwrap());
    let all = load("train");
    let (tr, va) = (range(&all, 0, 55000), range(&all, 55000, 60000));
    let mut t = Trainer::new(Config::new(m, net, epochs, seed)).unwrap();
    while !t.is_done() && (t.history().len() as u32) < stop {
        let l = t.epoch(&tr, |_| ()).unwrap();
        let s = std::time::Instant::now();
        let acc = t.evaluate_real(&tr, &va).unwrap();
        let e = t.finish_epoch(l, acc, s.elapsed().as_secs_f64());
        if e.number % 5 == 0 || e.number<4 || t.is_done() { println!("{e:?}"); }
    }
    if t.is_done() { let te = load("t10k"); println!("test {}", t.evaluate_real(&tr, &te).unwrap()); }
}
