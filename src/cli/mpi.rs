//! Several processes under MPI: `mpirun -n 2 bernet train --mpi`.

use anyhow::Result;
use bernet::train::Processes;
use std::sync::Arc;

/// Shards of a batch under `--mpi`, unless the configuration says how many.
pub(super) const SHARDS: usize = 4;

/// Runs `work` in each process of the world; an error in any of them ends all.
#[cfg(feature = "mpi")]
pub(super) fn in_all(work: impl FnOnce(Arc<dyn Processes>) -> Result<()>) -> Result<()> {
    use anyhow::Context;
    use mpi::{Threading, traits::Communicator};

    let (universe, _) = mpi::initialize_with_threading(Threading::Funneled)
        .context("--mpi: MPI does not start, or has started before")?;
    let done = work(Arc::new(world::World));
    let world = universe.world();
    if let Err(error) = &done
        && world.size() > 1
    {
        // The first process speaks for an error that all have.
        if world.rank() > 0 {
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        let text = format!("process {}: {}", world.rank(), super::describe(error));
        super::complain(&text);
        world.abort(1);
    }
    done
}

/// Says how to get a program that can.
#[cfg(not(feature = "mpi"))]
pub(super) fn in_all(_: impl FnOnce(Arc<dyn Processes>) -> Result<()>) -> Result<()> {
    anyhow::bail!(
        "--mpi: this program was built without MPI: `cargo install --locked --path . --features mpi` \
         builds one with it (Debian: libopenmpi-dev, openmpi-bin, libclang-dev)"
    )
}

#[cfg(feature = "mpi")]
mod world {
    use bernet::train::Processes;
    use mpi::{
        collective::SystemOperation,
        topology::SimpleCommunicator,
        traits::{Communicator, CommunicatorCollectives, Root},
    };

    /// All processes that `mpirun` started. Its methods are called by the main thread alone.
    pub(super) struct World;

    fn world() -> SimpleCommunicator {
        SimpleCommunicator::world()
    }

    impl Processes for World {
        fn rank(&self) -> usize {
            world().rank() as usize
        }

        fn count(&self) -> usize {
            world().size() as usize
        }

        fn add(&self, numbers: &mut [i64]) {
            let own = numbers.to_vec();
            world().all_reduce_into(&own[..], numbers, SystemOperation::sum());
        }

        fn broadcast(&self, bytes: Vec<u8>) -> Vec<u8> {
            let world = world();
            let first = world.process_at_rank(0);
            let mut length = bytes.len() as u64;
            first.broadcast_into(&mut length);
            let mut bytes = bytes;
            bytes.resize(length as usize, 0);
            first.broadcast_into(&mut bytes[..]);
            bytes
        }
    }
}
