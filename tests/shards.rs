//! Several processes that share the shards of each batch end in the bits of one process.

use bernet::{
    data::{self, Dataset},
    train::{Config, Distribution, Epoch, MethodName, Network, Observer, Processes, Run, Trainer},
};
use bernet_kernels::isa::Level;
use bernet_runtime::format;
use std::{
    ops::ControlFlow,
    sync::{Arc, Barrier, Mutex},
    thread,
};

/// A thread that stands for a process.
struct Member {
    rank: usize,
    team: Arc<Team>,
}

struct Team {
    count: usize,
    barrier: Barrier,
    total: Mutex<Vec<i64>>,
    bytes: Mutex<Vec<u8>>,
}

impl Team {
    fn of(count: usize) -> Vec<Arc<dyn Processes>> {
        let team = Arc::new(Self {
            count,
            barrier: Barrier::new(count),
            total: Mutex::default(),
            bytes: Mutex::default(),
        });
        let member = |rank| -> Arc<dyn Processes> {
            Arc::new(Member {
                rank,
                team: Arc::clone(&team),
            })
        };
        (0..count).map(member).collect()
    }
}

impl Processes for Member {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.team.count
    }

    fn add(&self, numbers: &mut [i64]) {
        let team = &self.team;
        {
            let mut total = team.total.lock().expect("no member panics");
            total.resize(numbers.len(), 0);
            for (total, number) in total.iter_mut().zip(&*numbers) {
                *total += number;
            }
        }
        team.barrier.wait();
        numbers.copy_from_slice(&team.total.lock().expect("no member panics"));
        if team.barrier.wait().is_leader() {
            team.total.lock().expect("no member panics").clear();
        }
        team.barrier.wait();
    }

    fn broadcast(&self, bytes: Vec<u8>) -> Vec<u8> {
        if self.rank == 0 {
            *self.team.bytes.lock().expect("no member panics") = bytes;
        }
        self.team.barrier.wait();
        self.team.bytes.lock().expect("no member panics").clone()
    }
}

/// Stops after so many steps.
struct Steps(usize);

impl Observer for Steps {
    fn step(&mut self, _: u32, _: f64) -> ControlFlow<()> {
        self.0 -= 1;
        if self.0 == 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn epoch(&mut self, _: &Epoch) {}
}

const NET: &str = "
input = { height = 28, width = 28 }
layer = [
    { kind = \"conv\", outputs = 8, kernel = [6, 6], stride = [3, 3] },
    { kind = \"pool\", kernel = [2, 2] },
    { kind = \"dense\", outputs = 24 },
    { kind = \"expectation\", classes = 10 },
]";

fn config(method: MethodName) -> Config {
    let network = Network::from_toml(NET).expect("a net");
    let config = Config::new(method, network, 2, 3);
    let config = config.with("batch = 50\nshards = 4\nvalidation = 60\nwarm_up = 5");
    config.expect("settings")
}

/// What each of so many processes has at the end: the net and its numbers, or nothing where they stopped.
fn results(config: &Config, data: &Dataset, count: usize, stop: usize) -> Vec<Option<Vec<u8>>> {
    let train = |processes: Arc<dyn Processes>| {
        let mut trainer = Trainer::new(config.clone()).expect("a configuration");
        let rank = processes.rank();
        trainer.set_processes(processes).expect("four shards");
        let (train, validation) = config.split(data).expect("enough images");
        let run = Run {
            train: &train,
            validation: &validation,
            level: Level::best(),
            checkpoint: None,
        };
        let mut observer = Steps(if rank + 1 == count { stop } else { usize::MAX });
        let ended = run.train(&mut trainer, &mut observer).expect("trains");
        ended.is_continue().then(|| {
            let graph = run.finish(&trainer).expect("a graph");
            let mut bytes = format::to_bytes(&graph).expect("bytes");
            for epoch in trainer.history() {
                bytes.extend(epoch.loss.to_le_bytes());
                bytes.extend(epoch.validation_accuracy.to_le_bytes());
            }
            bytes
        })
    };
    thread::scope(|scope| {
        let members = Team::of(count).into_iter();
        let threads: Vec<_> = members
            .map(|member| scope.spawn(|| train(member)))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|result| result.expect("no panic")).collect()
    })
}

#[test]
fn any_number_of_processes_ends_in_the_same_bits() {
    let data = data::load_embedded().train.subset(0..560);
    let exact = Config {
        activations: bernet::train::Activations::Sample,
        ..config(MethodName::Bernoulli)
    }
    .exact(Distribution::Three, bernet::train::Activations::Sample);
    let configs = [
        config(MethodName::Ste),
        config(MethodName::BnnPlus),
        config(MethodName::GaussianSampled),
        config(MethodName::Bernoulli),
        exact,
    ];
    for config in configs {
        let alone = results(&config, &data, 1, usize::MAX).remove(0);
        assert!(alone.is_some());
        for count in [2, 3, 4] {
            for result in results(&config, &data, count, usize::MAX) {
                assert!(result == alone, "{}, {count}", config.method.name());
            }
        }
        // The shards matter: their statistics are their own.
        let whole = Config {
            shards: 1,
            ..config
        };
        assert!(results(&whole, &data, 1, usize::MAX).remove(0) != alone);
    }
}

/// One wants to stop; none waits for it in vain.
#[test]
fn all_stop_where_one_does() {
    let data = data::load_embedded().train.subset(0..560);
    for (count, steps) in [(2, 3), (3, 10), (4, 1)] {
        let results = results(&config(MethodName::Ste), &data, count, steps);
        assert!(results.iter().all(Option::is_none), "{count} {steps}");
    }
}

#[test]
fn there_are_no_more_processes_than_shards() {
    let mut trainer = Trainer::new(config(MethodName::Ste)).expect("a configuration");
    let processes = Team::of(5).remove(0);
    let error = trainer
        .set_processes(processes)
        .expect_err("five")
        .to_string();
    assert!(
        error.contains("expected at most 4") && error.contains("found 5"),
        "{error}"
    );
}
