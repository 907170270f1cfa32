// The fields with which every document and every chunk of an answer begins. Pure; any thread.
#pragma once

#include <string>

#include "scheduler/request/service_tier.h"
#include "server/openai/response_shape.h"

namespace waferline::openai {

// The tier that serves an answer where all units are alike.
ServiceTier ServedAsAsked(const ResponseShape& shape);

// {"id":...,"object":...,"created":...,"model":...,"system_fingerprint":...,"service_tier":...,
// without the closing brace. Cerebras' service_tier_used is there too if a tier was asked for.
std::string AnswerHead(const ResponseShape& shape, ServiceTier served);

}  // namespace waferline::openai
