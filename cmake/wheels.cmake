# ROS wheels from PyPI carry their build machine's Python include folder in the exported targets, and CMake refuses an
# imported include folder that does not exist. Changes nothing where ROS 2 is installed.
function(drop_missing_includes)
  foreach(package IN LISTS ARGN)
    set(target ${package}::${package}__rosidl_generator_py)
    if(TARGET ${target})
      get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
      set(kept "")
      foreach(folder IN LISTS folders)
        if(EXISTS "${folder}" OR folder MATCHES "\\$<")
          list(APPEND kept "${folder}")
        endif()
      endforeach()
      set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
    endif()
  endforeach()
endfunction()

# A virtual environment inside the source folder puts numpy's headers there, and CMake refuses to export an include
# folder below the sources: keep it for the build only.
function(keep_numpy_include_out_of_the_export target)
  get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
  list(TRANSFORM folders REPLACE "^(.*/numpy/.*)$" "$<BUILD_INTERFACE:\\1>")
  set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${folders}")
endfunction()
