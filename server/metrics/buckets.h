// Upper bounds of latency histograms, in seconds. Supersets of vLLM's, so that its dashboards and
// queries work, with finer ones below: a wafer's token takes less than vLLM's first bucket.
#pragma once

#include <vector>

namespace waferline::metrics {

// vllm/v1/metrics/loggers.py has these from 0.001 (time to first token), 0.01 (inter token) and 0.3
// (end to end) on.
inline const std::vector<double> kFirstTokenBounds = {
    0.0001, 0.00025, 0.0005, 0.00075, 0.001, 0.00125, 0.0015, 0.00175, 0.002, 0.0025, 0.003, 0.004,
    0.005,  0.0075,  0.01,   0.02,    0.04,  0.06,    0.08,   0.1,     0.25,  0.5,    0.75,  1.0,
    2.5,    5.0,     7.5,    10.0,    20.0,  40.0,    80.0,   160.0,   640.0, 2560.0};
// Below 2 ms no bound is more than 1.25 times the one before: where a wafer's tokens are, a
// quantile is right within a quarter, and within a tenth around half a millisecond.
inline const std::vector<double> kTokenBounds = {
    0.00005, 0.00006, 0.00007, 0.00008, 0.00009, 0.0001,  0.000125, 0.00015, 0.000175,
    0.0002,  0.00025, 0.0003,  0.00035, 0.0004,  0.00045, 0.0005,   0.00055, 0.0006,
    0.00065, 0.0007,  0.00075, 0.0008,  0.0009,  0.001,   0.001125, 0.00125, 0.0015,
    0.00175, 0.002,   0.0025,  0.003,   0.004,   0.005,   0.0075,   0.01,    0.025,
    0.05,    0.075,   0.1,     0.15,    0.2,     0.3,     0.4,      0.5,     0.75,
    1.0,     2.5,     5.0,     7.5,     10.0,    20.0,    40.0,     80.0};
inline const std::vector<double> kRequestBounds = {
    0.0005, 0.001, 0.0025, 0.005, 0.01,  0.025, 0.05,  0.1,   0.2,    0.3,
    0.5,    0.8,   1.0,    1.5,   2.0,   2.5,   5.0,   10.0,  15.0,   20.0,
    30.0,   40.0,  50.0,   60.0,  120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0};
// How late a token is on the wall: a waking thread costs tens of microseconds.
inline const std::vector<double> kLatenessBounds = {
    0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
    0.025,   0.05,     0.1,     0.25,   0.5,     1.0,    2.5,   5.0,    10.0};

// Numbers of tokens: 1, 2 and 5 of each power of ten, as vLLM has them, up to the longest contexts.
inline const std::vector<double> kTokenCountBounds = {
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6};

}  // namespace waferline::metrics
