// Trains LIBMF on a text file once for each number of iterations, keeps the last model, and prints how long reading,
// each training and saving took. The PyPI sdist of LIBMF comes without a program of its own.
// Usage: libmf TRAIN MODEL FACTORS ITERATIONS[,ITERATIONS...] THREADS LAMBDA RATE
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include "mf.h"

static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int main(int argc, char **argv) {
    if (argc != 8) return 2;
    mf::mf_parameter settings = mf::mf_get_default_param();
    std::string counts = argv[4];
    settings.k = std::atoi(argv[3]);
    settings.nr_threads = std::atoi(argv[5]);
    settings.nr_bins = std::max(settings.nr_bins, 2 * settings.nr_threads + 1);
    settings.lambda_p1 = settings.lambda_q1 = 0;
    settings.lambda_p2 = settings.lambda_q2 = std::strtof(argv[6], nullptr);
    settings.eta = std::strtof(argv[7], nullptr);
    settings.copy_data = counts.find(',') != std::string::npos;  // as it shuffles the table in place
    settings.quiet = true;
    double start = now();
    mf::mf_problem table = mf::read_problem(argv[1]);
    if (!table.R) return 1;
    std::printf("%f ", now() - start);
    mf::mf_model *model = nullptr;
    std::istringstream list(counts);
    for (std::string count; std::getline(list, count, ',');) {
        mf::mf_destroy_model(&model);
        settings.nr_iters = std::atoi(count.c_str());
        start = now();
        model = mf::mf_train(&table, settings);
        std::printf("%f ", now() - start);
    }
    start = now();
    if (!model || mf::mf_save_model(model, argv[2])) return 1;
    std::printf("%f\n", now() - start);
    return 0;
}
