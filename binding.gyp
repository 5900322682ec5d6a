{
  # What an installing user gets. The developer's build (sanitizers, fuzzers, C++ tests) is CMakeLists.txt; both take
  # their lists from native/sources.gypi. Warnings are errors only there: a compiler newer than ours may know a warning
  # that is no reason to refuse an installation.
  "includes": ["native/sources.gypi"],
  "target_defaults": {
    "include_dirs": ["native"],
    "cflags": ["-O2", "-g", "-fPIC", "-fvisibility=hidden", "-fstack-protector-strong", "-Wall", "-Wextra"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fexceptions", "-frtti"],
    "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fno-rtti"]
  },
  "targets": [
    {
      "target_name": "twinbeat_core",
      "type": "static_library",
      "sources": ["<@(core_sources)"],
      "cflags": ["-Wconversion"]
    },
    {
      "target_name": "twinbeat",
      "dependencies": ["twinbeat_core"],
      "sources": ["<@(addon_sources)"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_ENABLE_TYPE_CHECK_ON_AS=0"],
      "ldflags": ["-Wl,-z,relro,-z,now"],
      "libraries": ["-lpthread"]
    },
    {
      # Starts agents for the daemon. Static, where the C library can be had so: it must run when the machine is short of
      # everything.
      "target_name": "twinbeat-spawner",
      "type": "executable",
      "sources": ["<@(spawner_sources)"],
      "cflags": ["-Wconversion"],
      "ldflags": ["<!@(sh scripts/static-flags.sh)"]
    },
    {
      # Lets go of the addresses when the daemon cannot. Static for the same reason.
      "target_name": "twinbeat-guardian",
      "type": "executable",
      "dependencies": ["twinbeat_core"],
      "sources": ["<@(guardian_sources)"],
      "cflags": ["-Wconversion", "-ffunction-sections", "-fdata-sections"],
      "ldflags": ["-Wl,--gc-sections", "<!@(sh scripts/static-flags.sh)"],
      "libraries": ["-lpthread"]
    }
  ]
}
