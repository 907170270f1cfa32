// /v1/files and /v1/batches, as OpenAI's clients call them. Free functions of one signature, which
// the table of routes names (api_routes.cc). Thread: io; each answers its call later, since it
// waits for the database.
#pragma once

#include "server/http/generations.h"

namespace waferline::http {

void AddFile(Generations& generations, const Call& call);
void ListFiles(Generations& generations, const Call& call);
void OneFile(Generations& generations, const Call& call);
void DeleteFile(Generations& generations, const Call& call);
void FileContent(Generations& generations, const Call& call);

void AddBatch(Generations& generations, const Call& call);
void ListBatches(Generations& generations, const Call& call);
void OneBatch(Generations& generations, const Call& call);
void CancelBatch(Generations& generations, const Call& call);

}  // namespace waferline::http
