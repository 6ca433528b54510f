# R's PoissonBinomial, for poisson_binomial.py: folders of p-<name>.bin (f64) in, pmf-<name>-<method>.bin and lines of times out.
suppressMessages(library(PoissonBinomial))
folder <- commandArgs(trailingOnly = TRUE)[1]
cat("version", as.character(packageVersion("PoissonBinomial")), "\n")
read <- function(name) { file <- file.path(folder, paste0("p-", name, ".bin")); readBin(file, "double", file.size(file) / 8) }
for (file in list.files(folder, "^p-.*[.]bin$")) {
  name <- sub("^p-(.*)[.]bin$", "\\1", file)
  if (startsWith(name, "speed")) next
  for (method in c("Convolve", "DivideFFT")) {
    mass <- dpbinom(NULL, read(name), method = method)
    writeBin(as.double(mass), file.path(folder, paste0("pmf-", name, "-", method, ".bin")))
  }
}
# The least of several runs, in seconds of this process's own CPU time for one call.
least <- function(call, times, runs = 5) {
  one <- function() { t <- proc.time(); for (i in seq_len(times)) call(); sum((proc.time() - t)[1:2]) / times }
  min(sapply(seq_len(runs), function(i) one()))
}
p <- read("speed100")
for (method in c("Convolve", "DivideFFT")) cat("time pmf100", method, least(function() dpbinom(NULL, p, method = method), 2000), "\n")
p <- read("speed1000")
for (method in c("Convolve", "DivideFFT"))
  cat("time survival1000", method, least(function() ppbinom(499, p, method = method, lower.tail = FALSE), 50), "\n")
p <- read("speed100000")
cat("time pmf100000 DivideFFT", least(function() dpbinom(NULL, p, method = "DivideFFT"), 1, 3), "\n")
