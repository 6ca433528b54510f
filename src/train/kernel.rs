//! The kernels of a net in use, whose sums training measures: of bits, and of grey values.

use bernet_kernels::{
    Error,
    bits::{BitTensor, Shape},
    xnor::{ByteConv2d, Conv2d, Threshold, Workspace},
};

/// A layer that makes integer sums of images, and bits of the sums.
pub(super) trait Kernel: Sync {
    /// Some images.
    type Images: Sync;

    /// Their shape.
    fn shape(images: &Self::Images) -> Shape;

    /// The sums, in NHWC order.
    fn sums(&self, images: &Self::Images, out: &mut [i32]) -> Result<(), Error>;

    /// The activations.
    fn activations(
        &self,
        images: &Self::Images,
        thresholds: &[Threshold],
        out: &mut BitTensor,
    ) -> Result<(), Error>;
}

impl Kernel for Conv2d {
    type Images = BitTensor;

    fn shape(images: &BitTensor) -> Shape {
        images.shape()
    }

    fn sums(&self, images: &BitTensor, out: &mut [i32]) -> Result<(), Error> {
        self.sums(images, out)
    }

    fn activations(
        &self,
        images: &BitTensor,
        thresholds: &[Threshold],
        out: &mut BitTensor,
    ) -> Result<(), Error> {
        self.activations(images, thresholds, out)
    }
}

/// Images of 8-bit pixels.
pub(super) struct Grey {
    pub(super) shape: Shape,
    /// In NHWC order.
    pub(super) values: Vec<u8>,
}

impl Kernel for ByteConv2d {
    type Images = Grey;

    fn shape(images: &Grey) -> Shape {
        images.shape
    }

    fn sums(&self, images: &Grey, out: &mut [i32]) -> Result<(), Error> {
        self.sums(&mut Workspace::default(), images.shape, &images.values, out)
    }

    fn activations(
        &self,
        images: &Grey,
        thresholds: &[Threshold],
        out: &mut BitTensor,
    ) -> Result<(), Error> {
        let Grey { shape, values } = images;
        self.activations(&mut Workspace::default(), *shape, values, thresholds, out)
    }
}
