# The targets `bernet::bernet`, the shared library, and `bernet::static`. The folder may be moved as a whole.
get_filename_component(_bernet_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
find_package(Threads REQUIRED)

if(NOT TARGET bernet::bernet)
  add_library(bernet::bernet SHARED IMPORTED)
  set_target_properties(bernet::bernet PROPERTIES
    IMPORTED_LOCATION "${_bernet_prefix}/lib/libbernet.so.@VERSION@"
    IMPORTED_SONAME "libbernet.so.0.1"
    INTERFACE_INCLUDE_DIRECTORIES "${_bernet_prefix}/include")

  add_library(bernet::static STATIC IMPORTED)
  set_target_properties(bernet::static PROPERTIES
    IMPORTED_LOCATION "${_bernet_prefix}/lib/libbernet.a"
    IMPORTED_LINK_INTERFACE_LANGUAGES C
    INTERFACE_INCLUDE_DIRECTORIES "${_bernet_prefix}/include"
    INTERFACE_LINK_LIBRARIES "Threads::Threads;util;rt;m;${CMAKE_DL_LIBS}")
endif()
unset(_bernet_prefix)
