// Trains LIBMF on a text file and prints how long reading, training and saving took. The PyPI sdist of LIBMF comes
// without a program of its own. Usage: libmf TRAIN MODEL FACTORS ITERATIONS THREADS LAMBDA RATE
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include "mf.h"

static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int main(int argc, char **argv) {
    if (argc != 8) return 2;
    mf::mf_parameter settings = mf::mf_get_default_param();
    settings.k = std::atoi(argv[3]);
    settings.nr_iters = std::atoi(argv[4]);
    settings.nr_threads = std::atoi(argv[5]);
    settings.nr_bins = std::max(settings.nr_bins, 2 * settings.nr_threads + 1);
    settings.lambda_p1 = settings.lambda_q1 = 0;
    settings.lambda_p2 = settings.lambda_q2 = std::strtof(argv[6], nullptr);
    settings.eta = std::strtof(argv[7], nullptr);
    settings.copy_data = false;
    settings.quiet = true;
    double start = now();
    mf::mf_problem table = mf::read_problem(argv[1]);
    if (!table.R) return 1;
    double read = now();
    mf::mf_model *model = mf::mf_train(&table, settings);
    double trained = now();
    if (!model || mf::mf_save_model(model, argv[2])) return 1;
    std::printf("%f %f %f\n", read - start, trained - read, now() - trained);
    return 0;
}
