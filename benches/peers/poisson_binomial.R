# R's PoissonBinomial, for poisson_binomial.py. A folder of p-<name>.bin (f64) in;
# `masses`: pmf-<name>-<method>.bin out, convolutions up to so many trials; `times`: lines of what, method and seconds of CPU time.
suppressMessages(library(PoissonBinomial))
arguments <- commandArgs(trailingOnly = TRUE)
if (length(arguments) == 0) { cat(as.character(packageVersion("PoissonBinomial")), "\n"); quit() }
folder <- arguments[2]
read <- function(name) { file <- file.path(folder, paste0("p-", name, ".bin")); readBin(file, "double", file.size(file) / 8) }
if (arguments[1] == "masses") {
  for (file in list.files(folder, "^p-.*[.]bin$")) {
    name <- sub("^p-(.*)[.]bin$", "\\1", file)
    p <- read(name)
    for (method in c("Convolve", "DivideFFT")) {
      if (method == "Convolve" && length(p) > as.numeric(arguments[3])) next
      writeBin(as.double(dpbinom(NULL, p, method = method)), file.path(folder, paste0("pmf-", name, "-", method, ".bin")))
    }
  }
} else {
  time <- function(what, method, times, call) {
    start <- proc.time()
    for (i in seq_len(times)) call()
    cat(what, method, sum((proc.time() - start)[1:2]) / times, sep = "\t")
    cat("\n")
  }
  p <- read("100")
  for (method in c("Convolve", "DivideFFT")) time("all masses, n = 100", method, 1000, function() dpbinom(NULL, p, method = method))
  p <- read("1000")
  for (method in c("Convolve", "DivideFFT"))
    time("survival at one cut, n = 1000, a sum of 1000", method, 50, function() ppbinom(499, p, method = method, lower.tail = FALSE))
  p <- read("100000")
  time("all masses, n = 100000", "DivideFFT", 1, function() dpbinom(NULL, p, method = "DivideFFT"))
}
