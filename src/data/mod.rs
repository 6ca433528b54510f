//! temporary
use bernet_kernels::bits::BitTensor;
pub struct Dataset { pub images: BitTensor, pub labels: Vec<u8> }
impl Dataset { pub fn len(&self)->usize{self.labels.len()} }
