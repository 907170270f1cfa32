#include "server/store/simulated/disk_files.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <new>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"

namespace waferline::store {

struct DiskAccess {
  using File = SimulatedDisk::File;

  SimulatedDisk* disk = nullptr;
  simulated::Process* process = nullptr;

  simulated::World& world() const { return *disk->world_; }
  std::map<std::string, std::shared_ptr<File>>& files() const { return disk->files_; }
  DiskFigures& figures() const { return disk->figures_; }

  // SQLITE_OK, or what this call fails with.
  int Trial(int code) const {
    const SimulatedDisk::Trouble& trouble = disk->trouble_;
    const bool unlucky = world().Now() < trouble.fails_until && trouble.error_one_in > 0 &&
                         world().OneIn(trouble.error_one_in);
    if (!process->dead && !unlucky) return SQLITE_OK;
    ++figures().errors;
    return code;
  }
  bool full() const { return world().Now() < disk->trouble_.full_until; }
  bool syncs() const { return world().Now() >= disk->trouble_.syncs_fail_until; }
  bool slow() const { return world().Now() < disk->trouble_.slow_until; }
};

namespace {

constexpr char kPrefix[] = "/simulated/";
thread_local std::map<std::string, DiskAccess> accesses;  // by prefix
thread_local uint64_t last_access = 0;

struct OpenFile : sqlite3_file {
  DiskAccess access;
  std::string name;
  std::shared_ptr<DiskAccess::File> file;
  std::shared_ptr<std::vector<std::unique_ptr<char[]>>> shared;
};

OpenFile& Of(sqlite3_file* file) { return *static_cast<OpenFile*>(file); }

// The disk that a name leads to, and the file's name there; null: none of ours.
const DiskAccess* Find(const char* name, std::string* file) {
  if (name == nullptr || std::strncmp(name, kPrefix, sizeof(kPrefix) - 1) != 0) return nullptr;
  const std::string path = name;
  const size_t end = path.find('/', sizeof(kPrefix) - 1);
  const auto found = accesses.find(path.substr(0, end + 1));
  if (found == accesses.end()) return nullptr;
  *file = path.substr(end + 1);
  return &found->second;
}

int Close(sqlite3_file* file) {
  Of(file).~OpenFile();
  return SQLITE_OK;
}

int Read(sqlite3_file* file, void* into, int count, sqlite3_int64 at) {
  OpenFile& open = Of(file);
  if (const int code = open.access.Trial(SQLITE_IOERR_READ); code != SQLITE_OK) return code;
  const std::string& bytes = open.file->bytes;
  const auto from = static_cast<size_t>(at), wanted = static_cast<size_t>(count);
  const size_t got = from >= bytes.size() ? 0 : std::min(wanted, bytes.size() - from);
  if (got > 0) std::memcpy(into, bytes.data() + from, got);
  std::memset(static_cast<char*>(into) + got, 0, wanted - got);
  return got == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

int Write(sqlite3_file* file, const void* from, int count, sqlite3_int64 at) {
  OpenFile& open = Of(file);
  if (const int code = open.access.Trial(SQLITE_IOERR_WRITE); code != SQLITE_OK) return code;
  const auto to = static_cast<size_t>(at), size = static_cast<size_t>(count);
  if (open.file->bytes.size() < to + size && open.access.full()) {
    ++open.access.figures().errors;
    return SQLITE_FULL;
  }
  const std::string_view bytes(static_cast<const char*>(from), size);
  open.file->Put(to, bytes);
  open.file->writes.push_back({.at = to, .bytes = std::string(bytes)});
  ++open.access.figures().writes;
  return SQLITE_OK;
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  OpenFile& open = Of(file);
  if (const int code = open.access.Trial(SQLITE_IOERR_TRUNCATE); code != SQLITE_OK) return code;
  open.file->bytes.resize(static_cast<size_t>(size));
  open.file->writes.push_back({.at = static_cast<uint64_t>(size), .bytes = "", .truncates = true});
  return SQLITE_OK;
}

// A slow disk is slow here: the thread sleeps.
int Sync(sqlite3_file* file, int) {
  OpenFile& open = Of(file);
  simulated::World& world = open.access.world();
  ++open.access.figures().syncs;
  if (open.access.slow() && !open.access.process->dead) {
    ++open.access.figures().slow_syncs;
    const Nanoseconds end = world.Now() + world.DrawTime(Milliseconds(1), Seconds(1));
    while (world.Now() < end) world.Wait(&end, end);
  }
  if (const int code = open.access.Trial(SQLITE_IOERR_FSYNC); code != SQLITE_OK) return code;
  if (!open.access.syncs()) return SQLITE_IOERR_FSYNC;
  open.file->synced = open.file->writes.size();
  return SQLITE_OK;
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(Of(file).file->bytes.size());
  return SQLITE_OK;
}

int Lock(sqlite3_file*, int) { return SQLITE_OK; }
int IsReserved(sqlite3_file*, int* is) { return *is = 0, SQLITE_OK; }
int Control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int SectorSize(sqlite3_file*) { return 4096; }
int Characteristics(sqlite3_file*) { return 0; }

int MapShared(sqlite3_file* file, int region, int size, int extend, void volatile** into) {
  OpenFile& open = Of(file);
  if (open.shared == nullptr) {
    if (open.file->shared == nullptr || open.access.process->dead) {
      open.shared = std::make_shared<std::vector<std::unique_ptr<char[]>>>();
      if (!open.access.process->dead) open.file->shared = open.shared;
    } else {
      open.shared = open.file->shared;
    }
  }
  *into = nullptr;
  auto& regions = *open.shared;
  if (static_cast<size_t>(region) >= regions.size() && extend == 0) return SQLITE_OK;
  while (regions.size() <= static_cast<size_t>(region)) {
    regions.push_back(std::make_unique<char[]>(static_cast<size_t>(size)));
  }
  *into = regions[static_cast<size_t>(region)].get();
  return SQLITE_OK;
}
int LockShared(sqlite3_file*, int, int, int) { return SQLITE_OK; }
void Barrier(sqlite3_file*) {}
int UnmapShared(sqlite3_file* file, int remove) {
  OpenFile& open = Of(file);
  if (remove != 0 && open.file->shared == open.shared) open.file->shared.reset();
  open.shared.reset();
  return SQLITE_OK;
}

constexpr sqlite3_io_methods kMethods = {
    2,           Close,      Read,    Write,      Truncate,        Sync,      FileSize,   Lock,
    Lock,        IsReserved, Control, SectorSize, Characteristics, MapShared, LockShared, Barrier,
    UnmapShared, nullptr,    nullptr};

sqlite3_vfs* system_files = nullptr;

int Open(sqlite3_vfs*, const char* name, sqlite3_file* into, int flags, int* out_flags) {
  std::string file;
  const DiskAccess* const access = Find(name, &file);
  if (access == nullptr) return system_files->xOpen(system_files, name, into, flags, out_flags);
  into->pMethods = nullptr;
  if (const int code = access->Trial(SQLITE_CANTOPEN); code != SQLITE_OK) return code;
  auto& held = access->files()[file];
  if (held == nullptr) held = std::make_shared<DiskAccess::File>();
  auto* const open = new (into) OpenFile();
  open->pMethods = &kMethods;
  open->access = *access;
  open->name = file;
  open->file = held;
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int Delete(sqlite3_vfs*, const char* name, int sync) {
  std::string file;
  const DiskAccess* const access = Find(name, &file);
  if (access == nullptr) return system_files->xDelete(system_files, name, sync);
  if (const int code = access->Trial(SQLITE_IOERR_DELETE); code != SQLITE_OK) return code;
  return access->files().erase(file) > 0 ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
}

int Access(sqlite3_vfs*, const char* name, int flags, int* result) {
  std::string file;
  const DiskAccess* const access = Find(name, &file);
  if (access == nullptr) return system_files->xAccess(system_files, name, flags, result);
  const auto found = access->files().find(file);
  *result = found != access->files().end() &&
            (flags != SQLITE_ACCESS_EXISTS || !found->second->bytes.empty());
  return SQLITE_OK;
}

int FullPath(sqlite3_vfs*, const char* name, int size, char* out) {
  std::string file;
  if (Find(name, &file) == nullptr) {
    return system_files->xFullPathname(system_files, name, size, out);
  }
  sqlite3_snprintf(size, out, "%s", name);
  return SQLITE_OK;
}

// From now on, in this process, SQLite looks at names first. Other names are the system's as
// before.
void Register() {
  static sqlite3_vfs ours;
  static std::once_flag once;
  std::call_once(once, [] {
    // Its statistics of memory take a lock of all threads at each allocation. Refused after SQLite
    // was used: then they are kept.
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    // Reading a schema takes hundreds of small blocks.
    (void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 1200, 500);
    system_files = sqlite3_vfs_find(nullptr);
    WL_CHECK(system_files != nullptr);
    ours = *system_files;
    ours.pNext = nullptr;
    ours.zName = "waferline-simulated";
    ours.szOsFile = std::max(system_files->szOsFile, static_cast<int>(sizeof(OpenFile)));
    ours.xOpen = Open;
    ours.xDelete = Delete;
    ours.xAccess = Access;
    ours.xFullPathname = FullPath;
    WL_CHECK(sqlite3_vfs_register(&ours, 1) == SQLITE_OK);
  });
}

}  // namespace

DiskPath::DiskPath(SimulatedDisk* disk, simulated::Process* process)
    : prefix_(absl::StrCat(kPrefix, ++last_access, "/")) {
  Register();
  accesses[prefix_] = {disk, process};
}

DiskPath::~DiskPath() { accesses.erase(prefix_); }

}  // namespace waferline::store
