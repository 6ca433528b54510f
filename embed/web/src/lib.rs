//! Binary nets for JavaScript: what the npm package `bernet` calls.
//!
//! `package/bernet.js` wraps these types; `package/bernet.d.ts` documents what people see. Every
//! error becomes an `Error` with its text.

mod describe;
mod net;
mod picture;
mod poisson_binomial;
mod values;

use js_sys::{Object, Reflect};
use wasm_bindgen::JsValue;

/// A JavaScript object with these properties.
fn object<const N: usize>(properties: [(&str, JsValue); N]) -> Object {
    let object = Object::new();
    for (name, value) in properties {
        set(&object, name, &value);
    }
    object
}

/// Sets a property of an object that was made here.
fn set(object: &Object, name: &str, value: &JsValue) {
    Reflect::set(object, &name.into(), value).expect("a plain object takes any property");
}
