// A surrogate in a C++ program: read what an exported file says about itself, and run one batch.
//
//     onnx_from_cpp MODEL.onnx FOLDER INPUT.f32 [INPUT.f32 ...]
//
// Each INPUT holds one input of the model, in the order in which it prints them: raw little-endian float32, C order,
// (batch, *value_shape, *grid) in the units that the metadata state. Each output is written to FOLDER/NAME.f32.
//
// Build:  g++ -std=c++17 -O2 main.cpp -I INCLUDE -L LIB -lonnxruntime -o onnx_from_cpp

#include <onnxruntime_c_api.h>

#include <cstdint>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr const char* metadata_key = "genmech_fem";
const OrtApi* api = nullptr;

void check(OrtStatus* status) {
  if (status == nullptr) return;
  const std::string message = api->GetErrorMessage(status);
  api->ReleaseStatus(status);
  throw std::runtime_error(message.substr(0, message.find('\n')));
}

/// An object of ONNX Runtime that is released with its owner.
template <class T>
using Owned = std::unique_ptr<T, void(ORT_API_CALL*)(T*)>;

/// The object that a call makes behind its other arguments.
template <class T, class Call, class... Arguments>
Owned<T> made(void(ORT_API_CALL* release)(T*), Call call, Arguments... arguments) {
  T* object = nullptr;
  check(call(arguments..., &object));
  return {object, release};
}

struct Array {
  std::string name;
  std::vector<int64_t> shape;  // -1: any number
  std::vector<float> values;
};

std::string described(const Array& array) {
  std::string text = array.name + " (";
  for (size_t axis = 0; axis < array.shape.size(); ++axis)
    text += (axis ? ", " : "") + (array.shape[axis] < 0 ? std::string("any") : std::to_string(array.shape[axis]));
  return text + ")";
}

std::vector<int64_t> shape_of(const OrtTensorTypeAndShapeInfo* info, const std::string& name) {
  ONNXTensorElementDataType type;
  check(api->GetTensorElementType(info, &type));
  if (type != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) throw std::runtime_error(name + ": expected float32 in the file");
  size_t rank = 0;
  check(api->GetDimensionsCount(info, &rank));
  std::vector<int64_t> shape(rank);
  check(api->GetDimensions(info, shape.data(), rank));
  return shape;
}

class Model {
 public:
  explicit Model(const std::string& path)
      : environment_(made<OrtEnv>(api->ReleaseEnv, api->CreateEnv, ORT_LOGGING_LEVEL_FATAL, "onnx_from_cpp")),
        options_(made<OrtSessionOptions>(api->ReleaseSessionOptions, api->CreateSessionOptions)) {
    check(api->SetIntraOpNumThreads(options_.get(), 1));
    check(api->GetAllocatorWithDefaultOptions(&allocator_));
    session_ = made<OrtSession>(api->ReleaseSession, api->CreateSession, environment_.get(), path.c_str(),
                                options_.get());
    size_t count = 0;
    check(api->SessionGetInputCount(session_.get(), &count));
    for (size_t i = 0; i < count; ++i)
      inputs.push_back(declared(i, api->SessionGetInputName, api->SessionGetInputTypeInfo));
    check(api->SessionGetOutputCount(session_.get(), &count));
    for (size_t i = 0; i < count; ++i)
      outputs.push_back(declared(i, api->SessionGetOutputName, api->SessionGetOutputTypeInfo));
  }

  /// The JSON that the file carries.
  std::string metadata() const {
    const auto all = made<OrtModelMetadata>(api->ReleaseModelMetadata, api->SessionGetModelMetadata, session_.get());
    char* value = nullptr;
    check(api->ModelMetadataLookupCustomMetadataMap(all.get(), allocator_, metadata_key, &value));
    if (value == nullptr) throw std::runtime_error("the file was not exported by genmech_fem: it lacks its metadata");
    return taken(value);
  }

  /// Evaluate the inputs; fills the outputs.
  void run() {
    const auto memory = made<OrtMemoryInfo>(api->ReleaseMemoryInfo, api->CreateCpuMemoryInfo, OrtArenaAllocator,
                                            OrtMemTypeDefault);
    std::vector<Owned<OrtValue>> given;
    std::vector<const OrtValue*> values;
    std::vector<const char*> input_names, output_names;
    for (Array& input : inputs) {
      given.push_back(made<OrtValue>(api->ReleaseValue, api->CreateTensorWithDataAsOrtValue, memory.get(),
                                     input.values.data(), input.values.size() * sizeof(float), input.shape.data(),
                                     input.shape.size(), ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT));
      values.push_back(given.back().get());
      input_names.push_back(input.name.c_str());
    }
    for (const Array& output : outputs) output_names.push_back(output.name.c_str());
    std::vector<OrtValue*> found(outputs.size(), nullptr);
    check(api->Run(session_.get(), nullptr, input_names.data(), values.data(), values.size(), output_names.data(),
                   output_names.size(), found.data()));
    for (size_t i = 0; i < found.size(); ++i) {
      const Owned<OrtValue> value(found[i], api->ReleaseValue);
      const auto info = made<OrtTensorTypeAndShapeInfo>(api->ReleaseTensorTypeAndShapeInfo,
                                                        api->GetTensorTypeAndShape, value.get());
      outputs[i].shape = shape_of(info.get(), outputs[i].name);
      size_t size = 0;
      void* data = nullptr;
      check(api->GetTensorShapeElementCount(info.get(), &size));
      check(api->GetTensorMutableData(value.get(), &data));
      outputs[i].values.assign(static_cast<float*>(data), static_cast<float*>(data) + size);
    }
  }

  std::vector<Array> inputs, outputs;

 private:
  template <class Name, class Type>
  Array declared(size_t index, Name name_of, Type type_of) const {
    char* text = nullptr;
    check(name_of(session_.get(), index, allocator_, &text));
    const std::string name = taken(text);
    const auto type = made<OrtTypeInfo>(api->ReleaseTypeInfo, type_of, session_.get(), index);
    const OrtTensorTypeAndShapeInfo* info = nullptr;
    check(api->CastTypeInfoToTensorInfo(type.get(), &info));
    if (info == nullptr) throw std::runtime_error(name + ": expected a tensor in the file");
    return {name, shape_of(info, name), {}};
  }

  std::string taken(char* text) const {
    const std::string copy = text;
    check(api->AllocatorFree(allocator_, text));
    return copy;
  }

  Owned<OrtEnv> environment_;
  Owned<OrtSessionOptions> options_;
  OrtAllocator* allocator_ = nullptr;
  Owned<OrtSession> session_{nullptr, api->ReleaseSession};
};

/// Read the values of an input; their number says how large the batch is.
void read(const std::string& path, Array& input) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw std::runtime_error("no input file " + path);
  const auto size = static_cast<size_t>(file.tellg());
  size_t each = sizeof(float);
  for (size_t axis = 1; axis < input.shape.size(); ++axis) {
    if (input.shape[axis] < 1) throw std::runtime_error(described(input) + ": only the batch may be of any size here");
    each *= static_cast<size_t>(input.shape[axis]);
  }
  if (size == 0 || size % each != 0)
    throw std::runtime_error(path + ": expected a multiple of " + std::to_string(each) + " bytes for " +
                             described(input) + ", got " + std::to_string(size));
  input.shape[0] = static_cast<int64_t>(size / each);
  input.values.resize(size / sizeof(float));
  file.seekg(0).read(reinterpret_cast<char*>(input.values.data()), static_cast<std::streamsize>(size));
}

void write(const std::string& path, const std::vector<float>& values) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

void run(const std::vector<std::string>& words) {
  if (words.size() < 3) throw std::runtime_error("expected MODEL.onnx FOLDER INPUT.f32 [INPUT.f32 ...]");
  api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
  if (api == nullptr)
    throw std::runtime_error(std::string("this ONNX Runtime, ") + OrtGetApiBase()->GetVersionString() +
                             ", is older than the header that the program was built with");
  Model model(words[0]);
  std::cout << model.metadata() << '\n';
  for (const Array& input : model.inputs) std::cout << "input " << described(input) << '\n';
  for (const Array& output : model.outputs) std::cout << "output " << described(output) << '\n';
  if (words.size() - 2 != model.inputs.size())
    throw std::runtime_error("expected " + std::to_string(model.inputs.size()) + " input files, got " +
                             std::to_string(words.size() - 2));
  for (size_t i = 0; i < model.inputs.size(); ++i) read(words[i + 2], model.inputs[i]);
  model.run();
  for (const Array& output : model.outputs) {
    write(words[1] + "/" + output.name + ".f32", output.values);
    std::cout << "wrote " << described(output) << '\n';
  }
}

}  // namespace

int main(int count, char** words) {
  try {
    run({words + 1, words + count});
  } catch (const std::exception& error) {
    std::cerr << "onnx_from_cpp: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
