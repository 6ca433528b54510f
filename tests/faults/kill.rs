//! `kill -9` at any moment: of training, of writing a checkpoint.

use crate::{
    spawn::spawn,
    training::{Training, succeeded},
};
use bernet::train::Trainer;
use rand_pcg::{Pcg32, rand_core::Rng};
use std::{thread, time::Duration};

/// Epochs that a life lasts at most.
const LIFE: u32 = 5;

/// A training is killed and taken up again until it ends. After each kill a checkpoint loads that is no older than the last
/// epoch that was reported; and the net at the end is that of a training that nobody killed, bit for bit.
#[test]
fn a_training_that_is_killed_over_and_over_ends_in_the_same_bits() {
    let wanted: u32 = std::env::var("BERNET_KILLS").map_or(25, |kills| kills.parse().unwrap());
    let training = Training::new();
    // A life gets through two or, on a fast machine, some more, and the last lives are cut short by the end.
    let epochs = 3 * wanted + 10;
    let train = |out: &str| {
        let mut command = training.command(out);
        command.args(["--epochs", &epochs.to_string()]);
        command
    };
    succeeded(train("whole").output().unwrap());

    let random = &mut Pcg32::new(11, 7);
    let (mut kills, mut while_writing, mut epoch) = (0, 0, 0);
    loop {
        let partial = training.partial_files("killed");
        let mut command = train("killed");
        if training.checkpoint("killed").exists() || epoch > 0 {
            command.arg("--resume");
        }
        let (mut child, mut lines) = spawn(&mut command);
        let mut last = String::new();
        let mut life = random.next_u32() % LIFE;
        let number = |line: &str| {
            line.strip_prefix("epoch ")?
                .split('/')
                .next()?
                .parse::<usize>()
                .ok()
        };
        let lived = lines.by_ref().any(|line| {
            life -= u32::from(number(&line).is_some() && life > 0);
            epoch = number(&line).unwrap_or(epoch);
            last = line;
            life == 0
        });
        thread::sleep(Duration::from_micros(u64::from(random.next_u32() % 8000)));
        child.kill().unwrap();
        let rest: Vec<_> = lines.collect();
        if child.wait().unwrap().success() {
            break;
        }
        assert!(lived || rest.is_empty(), "{last}");
        epoch = rest
            .iter()
            .filter_map(|line| number(line))
            .next_back()
            .unwrap_or(epoch);
        kills += 1;
        while_writing += usize::from(training.partial_files("killed") > partial);
        match Trainer::load(&training.checkpoint("killed")) {
            Ok(trainer) => assert!(
                trainer.history().len() >= epoch,
                "after kill {kills}, epoch {epoch}"
            ),
            // Killed before there was one.
            Err(error) => assert_eq!(epoch, 0, "after kill {kills}: {error}"),
        }
    }
    println!(
        "{kills} kills, at least {while_writing} of them while a file was written; {epochs} epochs"
    );
    assert!(kills >= wanted, "{kills}");
    assert!(
        training.model("killed") == training.model("whole"),
        "after {kills} kills"
    );
}
