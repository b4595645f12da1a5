file(GLOB NETWORK_SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/../../src/*.c ${CMAKE_CURRENT_SOURCE_DIR}/../../src/*.S)
idf_component_register(SRCS app_main.c ${NETWORK_SOURCES} INCLUDE_DIRS . ../../src)
