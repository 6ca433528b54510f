//! What is not exact, or not one sum at a time: central equations, the normal approximation, power sums.

mod central_equations;
mod normal;
mod power_sums;

use super::{Factors, Form, Gradient, Workspace, gradient, survival};
use crate::isa::Level;
use alloc::{vec, vec::Vec};

fn survival_of(level: Level, form: Form, v: &[f32], sums: usize, cut: i32) -> Vec<f32> {
    let (mut z, mut mass) = (vec![f32::NAN; sums], vec![f32::NAN; sums]);
    let factors = Factors::new(v, sums).unwrap();
    survival(
        level,
        form,
        factors,
        cut,
        &mut z,
        &mut mass,
        &mut Workspace::default(),
    )
    .unwrap();
    z
}

fn gradient_of(level: Level, method: Gradient, v: &[f32], sums: usize, cut: i32) -> Vec<f32> {
    let (mut z, mut mass, mut dz_dv) = (
        vec![f32::NAN; sums],
        vec![f32::NAN; sums],
        vec![f32::NAN; v.len()],
    );
    let factors = Factors::new(v, sums).unwrap();
    let workspace = &mut Workspace::default();
    gradient(
        level, method, factors, cut, &mut z, &mut mass, &mut dz_dv, workspace,
    )
    .unwrap();
    dz_dv
}
